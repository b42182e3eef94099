#include "ops/creation.h"

#include <algorithm>
#include <cmath>
#include <utility>

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

// The columns of an (n, m) matrix, and for each row its column on the kth diagonal: they broadcast to (n, m).
std::pair<array, array> diagonal_columns(int64_t n, int64_t m, int64_t k) {
  const DType index = n < INT32_MAX / 4 && m < INT32_MAX / 4 ? DType::int32 : DType::int64;
  const auto first = static_cast<double>(std::clamp(k, -n, m));  // past the corners nothing changes
  return {arange(0, static_cast<double>(m), 1, index),
          reshape(arange(first, first + static_cast<double>(n), 1, index), {n, 1})};
}

array triangle(const array& x, int64_t k, bool lower) {
  check(x.ndim() >= 2, ErrorCode::kShape, lower ? "tril" : "triu",
        "needs at least 2 dimensions, not shape {}", x.shape());
  const auto [column, edge] = diagonal_columns(x.shape(-2), x.shape(-1), k);
  return where(lower ? less_equal(column, edge) : greater_equal(column, edge), x, array(0, x.dtype()));
}

}  // namespace

array eye(int64_t n, int64_t m, int64_t k, DType dtype) {
  check(n >= 0, ErrorCode::kInvalidArgument, "eye", "needs 0 rows or more, not {}", n);
  const auto [column, diagonal] = diagonal_columns(n, m < 0 ? n : m, k);
  return astype(equal(column, diagonal), dtype);
}
array tril(const array& x, int64_t k) {
  return triangle(x, k, true);
}
array triu(const array& x, int64_t k) {
  return triangle(x, k, false);
}

}  // namespace uma
