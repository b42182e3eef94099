#include "ops/products.h"

#include <algorithm>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/manipulate.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {
namespace {

void check_floats(const array& a, const array& b, std::string_view op) {
  check(is_floating(promote(a.dtype(), b.dtype())), ErrorCode::kDType, op, "takes floats, not {} and {}",
        name_of(a.dtype()), name_of(b.dtype()));
}

Shape leading(const array& x, size_t dropped) {
  return Shape(x.shape().begin(), x.shape().end() - static_cast<std::ptrdiff_t>(dropped));
}

// x with the last two axes scaled, or blanked, by blocks of a mask.
array masked(const array& x, const std::optional<array>& mask, int64_t block) {
  if (!mask) return x;
  const int64_t rows = x.shape(-2), columns = x.shape(-1);
  check(mask->ndim() >= 2, ErrorCode::kShape, "block_masked_mm",
        "a mask has 2 dimensions or more, not shape {}", mask->shape());
  const auto wide = [&](const array& m, int axis, int64_t extent) {
    const int64_t blocks = (extent + block - 1) / block, have = m.shape(axis);
    check(have == blocks || have == 1, ErrorCode::kShape, "block_masked_mm",
          "a mask of shape {} for a matrix of shape {} and blocks of {}", m.shape(), x.shape(), block);
    return have == 1 ? m : slice_axis(repeat(m, block, axis), axis, 0, extent);
  };
  const array m = wide(wide(*mask, -2, rows), -1, columns);
  const array zero(0, x.dtype());
  if (m.dtype() == DType::bool_) return where(m, x, zero);
  const array factor = astype(m, x.dtype());
  return where(equal(factor, zero), zero, x * factor);  // a block that is masked out may hold NaN
}

array matrices(const array& x, const std::optional<array>& indices) {
  if (!indices) return x;
  check(is_integral(indices->dtype()) && indices->dtype() != DType::bool_, ErrorCode::kDType, "gather_mm",
        "takes integer indices, not {}", name_of(indices->dtype()));
  return take(reshape(x, {num_elements(leading(x, 2)), x.shape(-2), x.shape(-1)}), *indices, 0);
}

}  // namespace

array outer(const array& a, const array& b) {
  return reshape(a, {a.size(), 1}) * flatten(b);
}

array inner(const array& a, const array& b) {
  if (a.ndim() == 0 || b.ndim() == 0) return a * b;
  check(a.shape(-1) == b.shape(-1), ErrorCode::kShape, "inner", "last axes of shapes {} and {} differ",
        a.shape(), b.shape());
  return tensordot(a, b, std::vector<int>{-1}, std::vector<int>{-1});
}

array vecdot(const array& a, const array& b, int axis) {
  check(a.ndim() > 0 && b.ndim() > 0, ErrorCode::kShape, "vecdot", "takes no 0-d arrays");
  const int last_a = normalize_axis(axis, a.ndim(), "vecdot"),
            last_b = normalize_axis(axis, b.ndim(), "vecdot");
  const array x = moveaxis(a, last_a, -1), y = moveaxis(b, last_b, -1);
  check(x.shape(-1) == y.shape(-1), ErrorCode::kShape, "vecdot", "axis {} of shapes {} and {} differs", axis,
        a.shape(), b.shape());
  // The first is conjugated, as in the array API; of reals that is nothing.
  return sum((x.dtype() == DType::complex64 ? conjugate(x) : x) * y, {-1});
}

array kron(const array& a, const array& b) {
  const size_t n = std::max(a.ndim(), b.ndim());
  Shape left, right, out;
  for (size_t i = 0; i < n; ++i) {
    const int64_t p = i < n - a.ndim() ? 1 : a.shape()[i - (n - a.ndim())];
    const int64_t q = i < n - b.ndim() ? 1 : b.shape()[i - (n - b.ndim())];
    left.push_back(p), left.push_back(1);
    right.push_back(1), right.push_back(q);
    int64_t extent = 0;
    check(mul_fits(p, q, &extent), ErrorCode::kLimit, "kron", "axis {} would be too long", i);
    out.push_back(extent);
  }
  return reshape(reshape(a, left) * reshape(b, right), out);
}

array tensordot(const array& a, const array& b, const std::vector<int>& a_axes,
                const std::vector<int>& b_axes) {
  check(a_axes.size() == b_axes.size(), ErrorCode::kInvalidArgument, "tensordot", "has {} axes of a, {} of b",
        a_axes.size(), b_axes.size());
  std::vector<int> from_a, from_b;
  int64_t inner_size = 1;
  for (size_t i = 0; i < a_axes.size(); ++i) {
    from_a.push_back(normalize_axis(a_axes[i], a.ndim(), "tensordot"));
    from_b.push_back(normalize_axis(b_axes[i], b.ndim(), "tensordot"));
    check(a.shape(from_a[i]) == b.shape(from_b[i]), ErrorCode::kShape, "tensordot",
          "axis {} of shape {} and axis {} of shape {} differ", a_axes[i], a.shape(), b_axes[i], b.shape());
    inner_size *= a.shape(from_a[i]);
  }
  // The axes that stay, and their extents; transpose() finds axes that come twice.
  const auto kept = [](const array& x, const std::vector<int>& gone, Shape& out) {
    std::vector<int> axes;
    int64_t size = 1;
    for (int i = 0; i < static_cast<int>(x.ndim()); ++i) {
      if (std::count(gone.begin(), gone.end(), i)) continue;
      axes.push_back(i);
      out.push_back(x.shape(i));
      size *= x.shape(i);
    }
    return std::pair{axes, size};
  };
  Shape out;
  auto [order_a, rows] = kept(a, from_a, out);
  auto [order_b, columns] = kept(b, from_b, out);
  order_a.insert(order_a.end(), from_a.begin(), from_a.end());
  order_b.insert(order_b.begin(), from_b.begin(), from_b.end());
  const array left = order_a.empty() ? a : transpose(a, order_a);
  const array right = order_b.empty() ? b : transpose(b, order_b);
  return reshape(matmul(reshape(left, {rows, inner_size}), reshape(right, {inner_size, columns})), out);
}

array tensordot(const array& a, const array& b, int axes) {
  const int n = static_cast<int>(a.ndim());
  check(axes >= 0 && axes <= n && axes <= static_cast<int>(b.ndim()), ErrorCode::kInvalidArgument,
        "tensordot", "cannot sum over {} axes of shapes {} and {}", axes, a.shape(), b.shape());
  std::vector<int> from_a, from_b;
  for (int i = 0; i < axes; ++i) from_a.push_back(n - axes + i), from_b.push_back(i);
  return tensordot(a, b, from_a, from_b);
}

array addmm(const array& c, const array& a, const array& b, double alpha, double beta) {
  const DType d = promote(c.dtype(), promote(a.dtype(), b.dtype()));
  check(is_inexact(d), ErrorCode::kDType, "addmm", "takes floats, not {}, {} and {}", name_of(c.dtype()),
        name_of(a.dtype()), name_of(b.dtype()));
  const array product = matmul(astype(a, d), astype(b, d));
  const array addend = broadcast_to(astype(c, d), product.shape());
  return (alpha == 1 ? product : product * alpha) + (beta == 1 ? addend : addend * beta);
}

array block_masked_mm(const array& a, const array& b, int64_t block_size,
                      const std::optional<array>& mask_out, const std::optional<array>& mask_lhs,
                      const std::optional<array>& mask_rhs) {
  check(block_size > 0, ErrorCode::kInvalidArgument, "block_masked_mm", "blocks of {} are none", block_size);
  check_floats(a, b, "block_masked_mm");
  const array x = a.ndim() == 1 ? expand_dims(a, {0}) : a, y = b.ndim() == 1 ? expand_dims(b, {1}) : b;
  array out =
      masked(matmul(masked(x, mask_lhs, block_size), masked(y, mask_rhs, block_size)), mask_out, block_size);
  if (b.ndim() == 1) out = squeeze(out, {-1});
  return a.ndim() == 1 ? squeeze(out, {b.ndim() == 1 ? -1 : -2}) : out;
}

array segmented_mm(const array& a, const array& b, const array& segments) {
  check(a.ndim() == 2 && b.ndim() == 2, ErrorCode::kShape, "segmented_mm",
        "takes matrices, not shapes {} and {}", a.shape(), b.shape());
  check(segments.ndim() > 0 && segments.shape(-1) == 2, ErrorCode::kShape, "segmented_mm",
        "segments have shape (..., 2), not {}", segments.shape());
  check(is_integral(segments.dtype()) && segments.dtype() != DType::bool_, ErrorCode::kDType, "segmented_mm",
        "takes integer segments, not {}", name_of(segments.dtype()));
  check_floats(a, b, "segmented_mm");
  const array bounds = astype(segments, DType::int64);
  const array place = arange(0, static_cast<double>(a.shape(1)), 1, DType::int64);
  // (..., K): which columns of a, and rows of b, a segment has. Both are blanked, as NaN times 0 is NaN.
  const array inside = logical_and(greater_equal(place, slice_axis(bounds, -1, 0, 1)),
                                   less(place, slice_axis(bounds, -1, 1, 2)));
  return matmul(where(expand_dims(inside, {-2}), a, array(0, a.dtype())),
                where(expand_dims(inside, {-1}), b, array(0, b.dtype())));
}

array gather_mm(const array& a, const array& b, const std::optional<array>& lhs_indices,
                const std::optional<array>& rhs_indices) {
  check_floats(a, b, "gather_mm");
  check(a.ndim() > 0 && b.ndim() > 0, ErrorCode::kShape, "gather_mm", "takes no 0-d arrays");
  const array x = a.ndim() == 1 ? expand_dims(a, {0}) : a, y = b.ndim() == 1 ? expand_dims(b, {1}) : b;
  array out = matmul(matrices(x, lhs_indices), matrices(y, rhs_indices));
  if (b.ndim() == 1) out = squeeze(out, {-1});
  return a.ndim() == 1 ? squeeze(out, {b.ndim() == 1 ? -1 : -2}) : out;
}

}  // namespace uma
