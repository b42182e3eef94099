#pragma once
// Shapes and strides, in 64 bits and counted in elements.
#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/small_vector.h"

namespace uma {

using Shape = SmallVector<int64_t, 6>;
using Strides = SmallVector<int64_t, 6>;

/// "(2, 3)", "(4,)", "()": as NumPy prints a shape.
std::string to_string(const Shape& shape);

/// Product of the extents. Throws Limit when it does not fit into 63 bits, Shape on a negative extent.
int64_t num_elements(const Shape& shape);

/// Strides of a row-major array of this shape.
Strides row_major_strides(const Shape& shape);

/// Turns a possibly negative axis into 0..ndim-1. Throws Index naming `op`.
int normalize_axis(int axis, size_t ndim, std::string_view op);

/// NumPy's broadcasting rule. Throws Shape naming `op`.
Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op);

/// a * b, a + b: false on overflow of int64 (the result is then unspecified).
inline bool mul_fits(int64_t a, int64_t b, int64_t* out) {
  return !__builtin_mul_overflow(a, b, out);
}
inline bool add_fits(int64_t a, int64_t b, int64_t* out) {
  return !__builtin_add_overflow(a, b, out);
}

}  // namespace uma

/// A shape as an argument of check() is written out only if the check fails.
template <>
struct fmt::formatter<uma::Shape> : fmt::formatter<std::string_view> {
  auto format(const uma::Shape& shape, format_context& context) const -> format_context::iterator;
};
