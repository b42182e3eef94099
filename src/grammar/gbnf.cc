// GBNF, the notation of llama.cpp: rules of literals, classes, groups and repetitions.
#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/utf8.h"
#include "grammar/cursor.h"
#include "grammar/expr.h"
#include "grammar/grammar.h"
#include "text/utf8.h"

namespace uma {
namespace grammar {
namespace {

constexpr char kOp[] = "gbnf";

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class Parser : Cursor {
 public:
  explicit Parser(std::string_view source) : Cursor(source) {}

  Rules parse() {
    check(text_.size() <= kMaxGrammarBytes, ErrorCode::kLimit, kOp, "the grammar has {} bytes, {} at most",
          text_.size(), kMaxGrammarBytes);
    check(is_utf8(text_), ErrorCode::kInvalidArgument, kOp, "the grammar is not UTF-8");
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
      if (more() && text_[at_] != '\n' && text_[at_] != '\r') refuse("the rule should end");
      blanks(true);
    }
    for (const Rules::Rule& r : rules_.rules)
      check(r.body != nullptr, ErrorCode::kInvalidArgument, kOp, "the rule '{}' is not defined",
            shown(r.name));
    return std::move(rules_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const override {
    const std::string_view before = text_.substr(0, at_);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    fail(ErrorCode::kInvalidArgument, kOp, "line {}, byte {}: {}", line, at_, what);
  }
  [[noreturn]] void refuse_count() const override {
    fail(ErrorCode::kLimit, kOp, "a repetition count at byte {} is over {}", at_, kMaxCount);
  }
  /// Blanks and comments; ends of lines too where a rule may go on.
  void blanks(bool lines) {
    for (; more(); ++at_) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n' && text_[at_ + 1] != '\r') ++at_;
      } else if (c != ' ' && c != '\t' && !(lines && (c == '\n' || c == '\r'))) {
        return;
      }
    }
  }
  std::string read_name() {
    const size_t from = at_;
    while (more() && is_name(text_[at_])) ++at_;
    return std::string(text_.substr(from, at_ - from));
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
      const char c = text_[at_];
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
      if (take_quantifier(&min, &max)) {
      } else if (take("{")) {
        blanks(false);
        const bool has_min = more() && text_[at_] != ',';
        min = max = has_min ? count() : 0;
        blanks(false);
        if (take(",")) {
          blanks(false);
          max = more() && text_[at_] == '}' ? kUnbounded : count();
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

  uint32_t character() {
    if (text_[at_] != '\\') return utf8_next_as_read(text_, &at_);
    ++at_;
    if (!more()) refuse("a '\\' with nothing after it");
    const char c = text_[at_++];
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
  ExprPtr literal() {
    std::string out;
    for (++at_; more() && text_[at_] != '"';) {
      if (text_[at_] == '\n') refuse("a line ends inside a literal");
      utf8_append_code_point(out, character());
    }
    if (!take("\"")) refuse("a '\"' without its end");
    return text(out);
  }

  CharSet bracket() {
    ++at_;
    const bool inverted = take("^");
    CharSet set;
    while (more() && text_[at_] != ']') {
      const uint32_t first = character();
      uint32_t last = first;
      if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        ++at_;
        last = character();
        if (last < first) refuse("a range that ends before it begins");
      }
      set.add(first, last);
    }
    if (!take("]")) refuse("a '[' without its ']'");
    return inverted ? set.inverted() : set;
  }

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
