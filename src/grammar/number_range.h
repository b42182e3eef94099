#pragma once
// Numbers between two bounds, digit by digit.
#include <cstdint>
#include <optional>
#include <string>

#include "grammar/expr.h"

namespace uma::grammar {

/// Whole numbers have up to 15 digits, which every reader of JSON keeps.
inline constexpr int64_t kMaxWhole = 999'999'999'999'999;

/// Whole numbers of [low, high]; nullptr where there is none within +-kMaxWhole.
ExprPtr integer_range(int64_t low, int64_t high);

struct Bound {
  double value = 0;
  bool excluded = false;
};
/// Decimal numbers between the bounds, without an exponent. Throws InvalidArgument for a bound that is not
/// written with up to 15 digits, or where no number is between.
ExprPtr number_range(std::optional<Bound> low, std::optional<Bound> high, std::string_view op);

}  // namespace uma::grammar
