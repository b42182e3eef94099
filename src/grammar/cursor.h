#pragma once
// What the parsers of notations share: a place in a text, and what GBNF and regular expressions write alike.
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace uma::grammar {

class Cursor {
 protected:
  static constexpr int kMaxDepth = 200;
  static constexpr uint32_t kMaxCount = 100'000;

  explicit Cursor(std::string_view text) : text_(text) {}
  ~Cursor() = default;

  /// Throws InvalidArgument with the place.
  [[noreturn]] virtual void refuse(std::string_view what) const = 0;
  /// Throws Limit: a repetition count is over kMaxCount.
  [[noreturn]] virtual void refuse_count() const = 0;

  bool more() const { return at_ < text_.size(); }
  bool take(std::string_view expected) {
    if (!text_.substr(at_).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }

  /// '*', '+' or '?'.
  bool take_quantifier(uint32_t* min, uint32_t* max) {
    if (take("*")) return true;
    if (take("+")) return *min = 1, true;
    if (take("?")) return *max = 1, true;
    return false;
  }
  uint32_t count() {
    uint32_t n = 0;
    if (!more() || text_[at_] < '0' || text_[at_] > '9') refuse("a count that is no number");
    for (; more() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      n = n * 10 + static_cast<uint32_t>(text_[at_] - '0');
      if (n > kMaxCount) refuse_count();
    }
    return n;
  }

  uint32_t hex_digit() {
    const char c = more() ? text_[at_] : ' ';
    const int v = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
    if (v < 0) refuse("an escape that wants hex digits");
    ++at_;
    return static_cast<uint32_t>(v);
  }
  /// A character by its number in so many digits.
  uint32_t hex(int digits) {
    uint32_t value = 0;
    for (int i = 0; i < digits; ++i) value = value * 16 + hex_digit();
    return scalar(value);
  }
  uint32_t scalar(uint32_t value) const {
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) refuse("an escape of what is no character");
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace uma::grammar
