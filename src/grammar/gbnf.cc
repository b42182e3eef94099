// GBNF, the notation of llama.cpp: rules of literals, classes, groups and repetitions.
#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/utf8.h"
#include "grammar/expr.h"
#include "grammar/grammar.h"
#include "text/utf8.h"

namespace uma {
namespace grammar {
namespace {

constexpr char kOp[] = "gbnf";
constexpr int kMaxDepth = 200;
constexpr uint32_t kMaxCount = 100'000;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view source) : s_(source) {}

  Rules parse() {
    check(s_.size() <= kMaxGrammarBytes, ErrorCode::kLimit, kOp, "the grammar has {} bytes, {} at most",
          s_.size(), kMaxGrammarBytes);
    check(is_utf8(s_), ErrorCode::kInvalidArgument, kOp, "the grammar is not UTF-8");
    rule("root");
    blanks(true);
    while (more()) {
      const std::string name = read_name();
      if (name.empty()) refuse("a rule's name is wanted");
      blanks(false);
      if (!take("::=")) refuse("'::=' is wanted after the rule's name");
      blanks(true);
      const uint32_t id = rule(name);
      if (rules_.rules[id].body) refuse(fmt::format("the rule '{}' is there twice", shown(name)));
      ExprPtr body = alternatives(0);
      rules_.rules[id].body = std::move(body);
      if (more() && s_[at_] != '\n' && s_[at_] != '\r') refuse("the rule should end");
      blanks(true);
    }
    for (const Rules::Rule& r : rules_.rules)
      check(r.body != nullptr, ErrorCode::kInvalidArgument, kOp, "the rule '{}' is not defined",
            shown(r.name));
    return std::move(rules_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    const std::string_view before = s_.substr(0, at_);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    fail(ErrorCode::kInvalidArgument, kOp, "line {}, byte {}: {}", line, at_, what);
  }
  bool more() const { return at_ < s_.size(); }
  bool take(std::string_view t) {
    if (!s_.substr(at_).starts_with(t)) return false;
    at_ += t.size();
    return true;
  }
  /// Blanks and comments; ends of lines too where a rule may go on.
  void blanks(bool lines) {
    for (; more(); ++at_) {
      const char c = s_[at_];
      if (c == '#') {
        while (at_ + 1 < s_.size() && s_[at_ + 1] != '\n' && s_[at_ + 1] != '\r') ++at_;
      } else if (c != ' ' && c != '\t' && !(lines && (c == '\n' || c == '\r'))) {
        return;
      }
    }
  }
  std::string read_name() {
    const size_t from = at_;
    while (more() && is_name(s_[at_])) ++at_;
    return std::string(s_.substr(from, at_ - from));
  }
  uint32_t rule(const std::string& name) {
    const auto [at, fresh] = ids_.try_emplace(name, 0);
    if (fresh) at->second = rules_.declare(name);
    return at->second;
  }

  ExprPtr alternatives(int depth) {
    check(depth < kMaxDepth, ErrorCode::kLimit, kOp, "the grammar nests over {} deep", kMaxDepth);
    std::vector<ExprPtr> all{items(depth)};
    while (bar(depth)) {
      blanks(true);
      all.push_back(items(depth));
    }
    return choice(std::move(all));
  }

  /// A rule may go on with a '|' on its next line.
  bool bar(int depth) {
    const size_t from = at_;
    if (depth == 0) blanks(true);
    if (take("|")) return true;
    at_ = from;
    return false;
  }

  ExprPtr items(int depth) {
    std::vector<ExprPtr> all;
    while (more()) {
      const char c = s_[at_];
      ExprPtr one;
      if (c == '"') {
        one = literal();
      } else if (c == '[') {
        one = chars(bracket());
      } else if (c == '.') {
        ++at_;
        one = chars(CharSet::all());
      } else if (c == '(') {
        ++at_;
        blanks(true);
        one = alternatives(depth + 1);
        if (!take(")")) refuse("a '(' without its ')'");
      } else if (is_name(c)) {
        one = call(rule(read_name()));
      } else if (c == '<' || c == '!') {
        refuse("tokens ('<...>') are not supported: write the text that they spell");
      } else if (c == '*' || c == '+' || c == '?' || c == '{') {
        refuse(fmt::format("a '{}' with nothing before it to repeat", c));
      } else {
        break;
      }
      blanks(depth > 0);
      all.push_back(quantified(std::move(one), depth));
    }
    return sequence(std::move(all));
  }

  ExprPtr quantified(ExprPtr e, int depth) {
    while (more()) {
      uint32_t min = 0, max = kUnbounded;
      if (take("*")) {
      } else if (take("+")) {
        min = 1;
      } else if (take("?")) {
        max = 1;
      } else if (take("{")) {
        blanks(false);
        const bool has_min = more() && s_[at_] != ',';
        min = max = has_min ? count() : 0;
        blanks(false);
        if (take(",")) {
          blanks(false);
          max = more() && s_[at_] == '}' ? kUnbounded : count();
          blanks(false);
        } else if (!has_min) {
          refuse("a '{' without a count");
        }
        if (!take("}")) refuse("a '{' without its '}'");
        if (max < min) refuse("a repetition of at most fewer than at least");
      } else {
        break;
      }
      check(++stacked_ < kMaxDepth, ErrorCode::kLimit, kOp, "over {} repetitions of repetitions", kMaxDepth);
      e = repeat(std::move(e), min, max);
      blanks(depth > 0);
    }
    stacked_ = 0;
    return e;
  }

  uint32_t count() {
    uint32_t n = 0;
    if (!more() || s_[at_] < '0' || s_[at_] > '9') refuse("a count that is no number");
    for (; more() && s_[at_] >= '0' && s_[at_] <= '9'; ++at_) {
      n = n * 10 + static_cast<uint32_t>(s_[at_] - '0');
      if (n > kMaxCount)
        fail(ErrorCode::kLimit, kOp, "a repetition count at byte {} is over {}", at_, kMaxCount);
    }
    return n;
  }

  uint32_t character() {
    if (s_[at_] != '\\') return utf8_next_as_read(s_, &at_);
    ++at_;
    if (!more()) refuse("a '\\' with nothing after it");
    const char c = s_[at_++];
    switch (c) {
      case 'x':
        return hex(2);
      case 'u':
        return hex(4);
      case 'U':
        return hex(8);
      case 't':
        return '\t';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
        return static_cast<uint8_t>(c);
      default:
        refuse("an unknown escape");
    }
  }
  uint32_t hex(int digits) {
    uint32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = more() ? s_[at_] : ' ';
      const int v = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
      if (v < 0) refuse("an escape that wants hex digits");
      value = value * 16 + static_cast<uint32_t>(v);
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) refuse("an escape of what is no character");
    return value;
  }

  ExprPtr literal() {
    std::string out;
    for (++at_; more() && s_[at_] != '"';) {
      if (s_[at_] == '\n') refuse("a line ends inside a literal");
      utf8_append_code_point(out, character());
    }
    if (!take("\"")) refuse("a '\"' without its end");
    return text(out);
  }

  CharSet bracket() {
    ++at_;
    const bool inverted = take("^");
    CharSet set;
    while (more() && s_[at_] != ']') {
      const uint32_t first = character();
      uint32_t last = first;
      if (at_ + 1 < s_.size() && s_[at_] == '-' && s_[at_ + 1] != ']') {
        ++at_;
        last = character();
        if (last < first) refuse("a range that ends before it begins");
      }
      set.add(first, last);
    }
    if (!take("]")) refuse("a '[' without its ']'");
    return inverted ? set.inverted() : set;
  }

  std::string_view s_;
  size_t at_ = 0;
  int stacked_ = 0;
  Rules rules_;
  std::unordered_map<std::string, uint32_t> ids_;
};

}  // namespace
}  // namespace grammar

std::shared_ptr<const Grammar> Grammar::from_gbnf(std::string_view text) {
  return std::make_shared<const Grammar>(grammar::Parser(text).parse(), grammar::kOp);
}

}  // namespace uma
