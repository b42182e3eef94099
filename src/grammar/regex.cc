#include "grammar/regex.h"

#include <optional>

#include "base/error.h"
#include "base/utf8.h"
#include "grammar/cursor.h"
#include "grammar/grammar.h"
#include "text/utf8.h"

namespace uma {
namespace grammar {
namespace {

CharSet class_of(char letter) {
  CharSet set;
  switch (letter) {
    case 'd':
    case 'D':
      set.add('0', '9');
      break;
    case 'w':
    case 'W':
      set.add('0', '9').add('A', 'Z').add('a', 'z').add('_', '_');
      break;
    default:
      set.add(' ', ' ').add('\t', '\r');
  }
  return letter >= 'a' ? set : set.inverted();
}

class Parser : Cursor {
 public:
  Parser(std::string_view pattern, bool whole, std::string_view op)
      : Cursor(pattern), whole_(whole), op_(op) {}

  ExprPtr parse() {
    check(text_.size() <= kMaxGrammarBytes, ErrorCode::kLimit, op_, "the pattern has {} bytes, {} at most",
          text_.size(), kMaxGrammarBytes);
    check(is_utf8(text_), ErrorCode::kInvalidArgument, op_, "the pattern is not UTF-8");
    ExprPtr all = alternatives(0);
    if (at_ < text_.size()) refuse("a ')' without its '('");
    return all;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const override {
    fail(ErrorCode::kInvalidArgument, op_, "{} at byte {} of the pattern '{}'", what, at_, shown(text_));
  }
  [[noreturn]] void refuse_count() const override {
    fail(ErrorCode::kLimit, op_, "a repetition count at byte {} of the pattern is over {}", at_, kMaxCount);
  }
  uint32_t code_point() { return utf8_next_as_read(text_, &at_); }

  ExprPtr alternatives(int depth) {
    check(depth < kMaxDepth, ErrorCode::kLimit, op_, "the pattern nests over {} deep", kMaxDepth);
    std::vector<ExprPtr> all;
    do all.push_back(branch(depth));
    while (take("|"));
    return choice(std::move(all));
  }

  /// Anchors stand at the ends of what is alone on the outermost level.
  ExprPtr branch(int depth) {
    std::vector<ExprPtr> parts;
    bool begins = whole_ || depth > 0, ends = begins;
    if (depth == 0)
      while (take("^")) begins = true;
    while (more() && text_[at_] != '|' && text_[at_] != ')') {
      if (text_[at_] == '$' && depth == 0) {
        ++at_;
        ends = true;
        if (more() && text_[at_] != '|') refuse("a '$' that is not at the end");
        break;
      }
      parts.push_back(quantified(atom(depth)));
    }
    const ExprPtr any = repeat(chars(CharSet::all()), 0, kUnbounded);
    if (!begins) parts.insert(parts.begin(), any);
    if (!ends) parts.push_back(any);
    return sequence(std::move(parts));
  }

  ExprPtr atom(int depth) {
    const char c = text_[at_];
    if (c == '(') return group(depth);
    if (c == '[') return chars(bracket());
    if (c == '.') {
      ++at_;
      return chars(CharSet().add('\n', '\n').inverted());
    }
    if (c == '^' || c == '$') refuse(std::string("an anchor '") + c + "' inside the pattern");
    if (c == '*' || c == '+' || c == '?' || (c == '{' && counts_follow()))
      refuse(std::string("a '") + c + "' with nothing before it to repeat,");
    if (c == '\\') {
      CharSet set;
      if (const auto one = escape(set)) set.add(*one, *one);
      return chars(std::move(set));
    }
    const uint32_t code = code_point();
    return chars(CharSet().add(code, code));
  }

  ExprPtr group(int depth) {
    for (const char* look : {"(?=", "(?!", "(?<=", "(?<!"})
      if (text_.substr(at_).starts_with(look)) refuse("look-around is not supported:");
    ++at_;
    if (!take("?:") && (take("?P<") || take("?<"))) {
      while (more() && text_[at_] != '>') ++at_;
      if (!take(">")) refuse("a group's name without its end");
    } else if (more() && text_[at_] == '?') {
      refuse("flags and other groups that begin with '(?' are not supported:");
    }
    ExprPtr inside = alternatives(depth + 1);
    if (!take(")")) refuse("a '(' without its ')'");
    return inside;
  }

  /// A "{" that begins a count; any other is itself.
  bool counts_follow() const {
    return at_ + 1 < text_.size() && text_[at_ + 1] >= '0' && text_[at_ + 1] <= '9';
  }

  ExprPtr quantified(ExprPtr e) {
    uint32_t min = 0, max = kUnbounded;
    if (take_quantifier(&min, &max)) {
    } else if (more() && text_[at_] == '{' && counts_follow()) {
      ++at_;
      min = max = count();
      if (take(",")) max = more() && text_[at_] == '}' ? kUnbounded : count();
      if (!take("}")) refuse("a '{' without its '}'");
      if (max < min) refuse("a repetition of at most fewer than at least");
    } else {
      return e;
    }
    take("?");  // how eagerly does not matter for which texts match
    if (more() && text_[at_] == '+') refuse("possessive quantifiers are not supported:");
    if (more() && (text_[at_] == '*' || text_[at_] == '?' || (text_[at_] == '{' && counts_follow())))
      refuse("a quantifier of a quantifier");
    return repeat(std::move(e), min, max);
  }

  /// The character that is escaped, or nothing where a class was added to the set.
  std::optional<uint32_t> escape(CharSet& set) {
    ++at_;
    if (!more()) refuse("a '\\' with nothing after it");
    const char c = text_[at_];
    switch (c) {
      case 'd':
      case 'D':
      case 'w':
      case 'W':
      case 's':
      case 'S':
        ++at_;
        set.add(class_of(c));
        return {};
      case 't':
        return ++at_, '\t';
      case 'n':
        return ++at_, '\n';
      case 'r':
        return ++at_, '\r';
      case 'f':
        return ++at_, '\f';
      case 'v':
        return ++at_, '\v';
      case '0':
        return ++at_, 0;
      case 'x':
        return ++at_, hex(2);
      case 'u':
        ++at_;
        if (!take("{")) return hex(4);
        return braced_hex();
      case 'b':
      case 'B':
        refuse("word boundaries (\\b, \\B) are not supported:");
      case 'p':
      case 'P':
        refuse("Unicode properties (\\p) are not supported:");
      case 'k':
        refuse("back references are not supported:");
      default:
        break;
    }
    if (c >= '1' && c <= '9') refuse("back references are not supported:");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) refuse("an unknown escape");
    return code_point();
  }

  uint32_t braced_hex() {
    uint32_t value = hex_digit();
    while (more() && text_[at_] != '}' && value <= 0x10ffff) value = value * 16 + hex_digit();
    if (!take("}")) refuse("a '\\u{' without its '}'");
    return scalar(value);
  }
  CharSet bracket() {
    ++at_;
    const bool inverted = take("^");
    CharSet set;
    while (true) {
      if (!more()) refuse("a '[' without its ']'");
      if (take("]")) break;
      const auto first = member(set);
      const bool range = first && at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']';
      if (!range) {
        if (first) set.add(*first, *first);
        continue;
      }
      ++at_;
      CharSet wrong;
      const auto last = member(wrong);
      if (!last || *last < *first) refuse("a range that ends before it begins");
      set.add(*first, *last);
    }
    return inverted ? set.inverted() : set;
  }
  std::optional<uint32_t> member(CharSet& set) {
    if (text_[at_] == '[' && at_ + 1 < text_.size() && text_[at_ + 1] == ':')
      refuse("named classes ([:...:]) are not supported:");
    if (text_[at_] != '\\') return code_point();
    if (at_ + 1 < text_.size() && text_[at_ + 1] == 'b') return at_ += 2, '\b';
    return escape(set);
  }

  bool whole_;
  std::string_view op_;
};

}  // namespace

ExprPtr parse_regex(std::string_view pattern, bool whole, std::string_view op) {
  return Parser(pattern, whole, op).parse();
}

}  // namespace grammar

std::shared_ptr<const Grammar> Grammar::from_regex(std::string_view pattern) {
  grammar::Rules rules;
  rules.add("pattern", grammar::parse_regex(pattern, true, "regex"));
  return std::make_shared<const Grammar>(rules, "regex");
}

}  // namespace uma
