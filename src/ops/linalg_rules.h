#pragma once
// What the checks and derivative rules of linalg.cc and linalg_spectral.cc share.
#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/linalg.h"
#include "ops/matmul.h"
#include "ops/shape.h"

namespace uma::linalg {

inline array transposed(const array& x) {
  return swapaxes(x, -1, -2);
}
inline array symmetric(const array& x) {
  return (x + transposed(x)) * 0.5;
}
/// The identity of x's last extent and dtype.
inline array eye_like(const array& x) {
  return eye(x.shape(-1), -1, 0, x.dtype());
}
/// Scales the columns of x by a vector each.
inline array scaled(const array& x, const array& by) {
  return x * expand_dims(by, {-2});
}
inline array columns(const array& x, int64_t begin, int64_t end) {
  return slice_axis(x, -1, begin, end);
}
inline array rows(const array& x, int64_t begin, int64_t end) {
  return slice_axis(x, -2, begin, end);
}
/// 1 / x, and 0 for x = 0, where what it would scale has no part in the result.
inline array reciprocal_or_zero(const array& x) {
  const array none = equal(x, array(0, x.dtype())), one(1, x.dtype());
  return where(none, array(0, x.dtype()), one / where(none, one, x));
}

/// The shape of a batch of things of other extents than x's matrices.
inline Shape batched(const array& x, std::initializer_list<int64_t> extents) {
  Shape shape(x.shape().begin(), x.shape().end() - 2);
  for (const int64_t extent : extents) shape.push_back(extent);
  return shape;
}

/// Several results of one matrix.
template <class P>
Arrays make_factors(const OpInfo& op, P params, const array& a,
                    std::initializer_list<std::pair<Shape, DType>> outputs) {
  std::vector<Node::Output> specs;
  for (const auto& [shape, dtype] : outputs) specs.push_back({shape, dtype, {}});
  return array::make_many(std::move(specs),
                          std::make_shared<NodeWith<P>>(op, default_stream(), Arrays{a}, std::move(params)));
}

/// LAPACK counts in 32 bits; `words` is what it needs beside the matrix, for k = min(rows, columns) about
/// words k^2.
inline void check_matrix(const array& a, std::string_view op, bool square, bool complex = false,
                         int64_t words = 0) {
  check(a.ndim() >= 2, ErrorCode::kShape, op, "needs at least 2 dimensions, not shape {}", a.shape());
  check(!square || a.shape(-1) == a.shape(-2), ErrorCode::kShape, op, "takes square matrices, not shape {}",
        a.shape());
  const bool fits = a.dtype() == DType::float32 || a.dtype() == DType::float64 ||
                    (complex && a.dtype() == DType::complex64);
  check(fits, ErrorCode::kDType, op, "takes {}, not {}",
        complex ? "float32, float64 or complex64" : "float32 or float64", name_of(a.dtype()));
  constexpr int64_t kMost = (int64_t{1} << 31) - 1;
  const int64_t k = std::min(a.shape(-1), a.shape(-2)), most = std::max(a.shape(-1), a.shape(-2));
  int64_t square_words = 0, all = 0;
  const bool counts = most <= kMost / 64 && mul_fits(k, k, &square_words) &&
                      mul_fits(square_words, words, &all) && all <= kMost - 64 * most;
  check(counts, ErrorCode::kLimit, op, "a matrix of shape {} is beyond what LAPACK counts", a.shape());
}

}  // namespace uma::linalg
