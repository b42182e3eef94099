#include "grammar/json_values.h"

#include <fmt/core.h>

namespace uma::grammar {
namespace {

// As many digits as every double and 64-bit integer keeps.
constexpr uint32_t kMaxDigits = 15, kMaxExponentDigits = 2;
constexpr uint32_t kMaxIndent = 20;

CharSet set_of(std::string_view ranges) {
  CharSet set;
  for (size_t i = 0; i + 1 < ranges.size(); i += 2)
    set.add(static_cast<uint8_t>(ranges[i]), static_cast<uint8_t>(ranges[i + 1]));
  return set;
}
ExprPtr hex(uint32_t n) {
  return repeat(chars(set_of("09afAF")), n, n);
}
/// Quote, backslash and controls; DEL is legal and left out all the same: nobody wants it.
CharSet unsafe() {
  return CharSet().add(0, 0x1f).add('"', '"').add('\\', '\\').add(0x7f, 0x7f);
}
ExprPtr digits(uint32_t min, uint32_t max) {
  return repeat(chars(set_of("09")), min, max);
}
ExprPtr whole() {
  return sequence(
      {optional(text("-")), choice({text("0"), sequence({chars(set_of("19")), digits(0, kMaxDigits - 1)})})});
}

}  // namespace

ExprPtr JsonValues::space() {
  return optional(choice({text(" "), sequence({text("\n"), repeat(text(" "), 0, kMaxIndent)})}));
}
ExprPtr JsonValues::colon() {
  return sequence({text(":"), optional(text(" "))});
}
ExprPtr JsonValues::comma() {
  return sequence({text(","), space()});
}

ExprPtr JsonValues::character() {
  const auto one = [](std::string_view ranges) { return chars(set_of(ranges)); };
  const ExprPtr low = sequence({text("\\u"), one("ddDD"), one("cfCF"), hex(2)});
  return choice({chars(unsafe().inverted()), sequence({text("\\"), one("\"\"\\\\//bbffnnrrtt")}),
                 sequence({text("\\u"), one("09acefACEF"), hex(3)}),
                 sequence({text("\\u"), one("ddDD"), one("07"), hex(2)}),
                 sequence({text("\\u"), one("ddDD"), one("89abAB"), hex(2), low})});
}

ExprPtr JsonValues::string() {
  return sequence({text("\""), repeat(character(), 0, kUnbounded), text("\"")});
}

ExprPtr JsonValues::spelled(const CharSet& set) {
  std::vector<ExprPtr> all{chars(set.without(unsafe()))};
  for (uint32_t c = 0; c < 0x80; ++c) {
    if (!set.contains(c) || !unsafe().contains(c)) continue;
    static constexpr std::string_view kShort = "\"\"\\\\\bb\ff\nn\rr\tt";
    std::string escaped = fmt::format("\\u{:04x}", c);
    for (size_t i = 0; i < kShort.size(); i += 2)
      if (static_cast<uint8_t>(kShort[i]) == c) escaped = std::string("\\") + kShort[i + 1];
    all.push_back(text(escaped));
  }
  return choice(std::move(all));
}

ExprPtr JsonValues::integer() {
  return whole();
}
ExprPtr JsonValues::number() {
  const ExprPtr exponent =
      sequence({chars(set_of("eeEE")), optional(chars(set_of("++--"))), digits(1, kMaxExponentDigits)});
  return sequence({whole(), optional(sequence({text("."), digits(1, kMaxDigits)})), optional(exponent)});
}
ExprPtr JsonValues::boolean() {
  return choice({text("true"), text("false")});
}

ExprPtr JsonValues::bracketed(const char* open, ExprPtr inside, const char* close) {
  return sequence({text(open), space(), std::move(inside), space(), text(close)});
}

ExprPtr JsonValues::value() {
  if (!value_) {
    value_ = rules_.declare("value");
    rules_.rules[*value_].body = choice({object(), array(), string(), number(), boolean(), text("null")});
  }
  return call(*value_);
}

ExprPtr JsonValues::object() {
  if (!object_) {
    object_ = rules_.declare("object");
    const ExprPtr pair = sequence({string(), colon(), value()});
    rules_.rules[*object_].body =
        choice({text("{}"),
                bracketed("{", sequence({pair, repeat(sequence({comma(), pair}), 0, kUnbounded)}), "}")});
  }
  return call(*object_);
}

ExprPtr JsonValues::array() {
  if (!array_) {
    array_ = rules_.declare("array");
    rules_.rules[*array_].body = choice(
        {text("[]"),
         bracketed("[", sequence({value(), repeat(sequence({comma(), value()}), 0, kUnbounded)}), "]")});
  }
  return call(*array_);
}

}  // namespace uma::grammar
