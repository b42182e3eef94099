#include "ops/composed.h"

#include <limits>
#include <numbers>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"

namespace uma {

array linspace(double start, double stop, int64_t num, DType dtype) {
  check(num >= 0, ErrorCode::kInvalidArgument, "linspace", "needs 0 values or more, not {}", num);
  std::vector<double> values(static_cast<size_t>(num));
  for (int64_t i = 0; i < num; ++i) {
    // Weighted from both ends, so that the last value is stop to the digit.
    const double t = num == 1 ? 0 : static_cast<double>(i) / static_cast<double>(num - 1);
    values[static_cast<size_t>(i)] = (1 - t) * start + t * stop;
  }
  return astype(array(std::span<const double>(values), {num}), dtype);
}

array identity(int64_t n, DType dtype) {
  return eye(n, n, 0, dtype);
}

array tri(int64_t n, int64_t m, int64_t k, DType dtype) {
  return tril(ones({n, m < 0 ? n : m}, dtype), k);
}

array full_like(const array& x, double value) {
  return full(x.shape(), value, x.dtype());
}

array isfinite(const array& x) {
  return logical_not(logical_or(isinf(x), isnan(x)));
}

namespace {

array is_infinity(const array& x, double sign) {
  return equal(x, full({}, sign * std::numeric_limits<double>::infinity(),
                       is_inexact(x.dtype()) ? x.dtype() : DType::float32));
}

}  // namespace

array isposinf(const array& x) {
  return is_infinity(x, 1);
}
array isneginf(const array& x) {
  return is_infinity(x, -1);
}

array trunc(const array& x) {
  return where(less(x, zeros_like(x)), ceil(x), floor(x));
}

array degrees(const array& x) {
  return x * (180 / std::numbers::pi);
}
array radians(const array& x) {
  return x * (std::numbers::pi / 180);
}

array logical_xor(const array& x, const array& y) {
  return not_equal(astype(x, DType::bool_), astype(y, DType::bool_));
}

std::pair<array, array> divmod(const array& x, const array& y) {
  return {floor_divide(x, y), remainder(x, y)};
}

array std(const array& x, const Axes& axes, bool keepdims, int64_t ddof) {
  // The variance of halves may be too large for them where its root is not.
  if (!is_floating(x.dtype()) || size_of(x.dtype()) != 2) return sqrt(var(x, axes, keepdims, ddof));
  return astype(sqrt(var(astype(x, DType::float32), axes, keepdims, ddof)), x.dtype());
}

}  // namespace uma
