#include "base/shape.h"

#include <fmt/format.h>

#include <fmt/format.h>

#include "base/error.h"

namespace uma {

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

int64_t num_elements(const Shape& shape) {
  // Zero anywhere makes the product zero, whatever the others are.
  for (int64_t extent : shape) {
    check(extent >= 0, ErrorCode::kShape, "shape", "{} has a negative extent", shape);
    if (extent == 0) return 0;
  }
  int64_t n = 1;
  for (int64_t extent : shape)
    check(mul_fits(n, extent, &n), ErrorCode::kLimit, "shape", "{} has more than 2^63 elements", shape);
  return n;
}

Strides row_major_strides(const Shape& shape) {
  Strides strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    // An extent of zero may stand before others whose product is no int64; such strides are never walked.
    if (__builtin_mul_overflow(step, shape[i], &step)) step = 0;
  }
  return strides;
}

int normalize_axis(int axis, size_t ndim, std::string_view op) {
  const int n = static_cast<int>(ndim);
  check(axis >= -n && axis < n, ErrorCode::kIndex, op,
        "axis {} is out of range for an array of {} dimensions", axis, n);
  return axis < 0 ? axis + n : axis;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  const size_t lead = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t& extent = out[lead + i];
    const int64_t other = shorter[i];
    if (extent == other || other == 1) continue;
    check(extent == 1, ErrorCode::kShape, op, "shapes {} and {} cannot be broadcast together", a, b);
    extent = other;
  }
  return out;
}

}  // namespace uma

auto fmt::formatter<uma::Shape>::format(const uma::Shape& shape, format_context& context) const
    -> format_context::iterator {
  return fmt::formatter<std::string_view>::format(uma::to_string(shape), context);
}
