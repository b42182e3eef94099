#include "ops/creation.h"

#include <cmath>

#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/shape.h"

namespace uma {

array full(const Shape& shape, const array& value) {
  return broadcast_to(value, shape);
}
array full(const Shape& shape, double value, DType dtype) {
  return full(shape, array(value, dtype));
}
array zeros(const Shape& shape, DType dtype) {
  return full(shape, 0, dtype);
}
array ones(const Shape& shape, DType dtype) {
  return full(shape, 1, dtype);
}
array zeros_like(const array& x) {
  return zeros(x.shape(), x.dtype());
}
array ones_like(const array& x) {
  return ones(x.shape(), x.dtype());
}

array arange(double start, double stop, double step, DType dtype) {
  check(step != 0 && std::isfinite(step) && std::isfinite(start) && std::isfinite(stop),
        ErrorCode::kInvalidArgument, "arange", "needs finite bounds and a step that is not 0, not {}, {}, {}",
        start, stop, step);
  const double length = std::max(0.0, std::ceil((stop - start) / step));
  check(length < 0x1p62, ErrorCode::kLimit, "arange", "{} elements are too many", length);
  if (is_integral(dtype)) {  // whole steps, as in NumPy: the second value less the first
    step = std::trunc(start + step) - std::trunc(start);
    start = std::trunc(start);
  }
  return array::make({static_cast<int64_t>(length)}, dtype, kArange, ArangeParams{start, step}, {});
}

namespace {

// Column minus row, broadcastable to (n, m).
array diagonal_index(int64_t n, int64_t m) {
  const array rows = reshape(arange(0, static_cast<double>(n), 1, DType::int64), {n, 1});
  return subtract(arange(0, static_cast<double>(m), 1, DType::int64), rows);
}

array triangle(const array& x, int64_t k, bool lower) {
  check(x.ndim() >= 2, ErrorCode::kShape, lower ? "tril" : "triu",
        "needs at least 2 dimensions, not shape {}", x.shape());
  const array index = diagonal_index(x.shape(-2), x.shape(-1));
  const array bound(k, DType::int64);
  return where(lower ? less_equal(index, bound) : greater_equal(index, bound), x, array(0, x.dtype()));
}

}  // namespace

array eye(int64_t n, int64_t m, int64_t k, DType dtype) {
  check(n >= 0, ErrorCode::kInvalidArgument, "eye", "needs 0 rows or more, not {}", n);
  return astype(equal(diagonal_index(n, m < 0 ? n : m), array(k, DType::int64)), dtype);
}
array tril(const array& x, int64_t k) {
  return triangle(x, k, true);
}
array triu(const array& x, int64_t k) {
  return triangle(x, k, false);
}

}  // namespace uma
