#include "ops/sort.h"

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace uma {
namespace {

// Applies an op of the last axis along another one.
template <class F>
array along(const array& x, int axis, std::string_view name, F op) {
  axis = normalize_axis(axis, x.ndim(), name);
  check(x.dtype() != DType::complex64, ErrorCode::kDType, name, "does not take complex64");
  const int last = static_cast<int>(x.ndim()) - 1;
  return axis == last ? op(x) : moveaxis(op(moveaxis(x, axis, last)), last, axis);
}

array scan(bool product, const array& x, int axis, bool reverse, bool inclusive) {
  return along(x, axis, product ? "cumprod" : "cumsum", [&](const array& a) {
    const array values = a.dtype() == DType::bool_ ? astype(a, DType::int32) : a;
    return array::make(values.shape(), values.dtype(), kScan, ScanParams{product, reverse, inclusive},
                       {values});
  });
}

}  // namespace

array sort(const array& x, int axis) {
  return along(x, axis, "sort", [](const array& a) {
    return array::make(a.shape(), a.dtype(), kSort, {a}, default_stream());
  });
}

array argsort(const array& x, int axis) {
  return along(x, axis, "argsort", [](const array& a) {
    return array::make(a.shape(), DType::uint32, kArgsort, {a}, default_stream());
  });
}

array topk(const array& x, int64_t k, int axis) {
  axis = normalize_axis(axis, x.ndim(), "topk");
  const int64_t n = x.shape(axis);
  check(k >= 0 && k <= n, ErrorCode::kInvalidArgument, "topk", "k is {}, the axis has {} elements", k, n);
  return slice_axis(sort(x, axis), axis, n - k, n);
}

namespace {

void check_kth(const array& x, int64_t kth, int axis, std::string_view name) {
  const int64_t n = x.shape(normalize_axis(axis, x.ndim(), name));
  check(kth >= -n && kth < n, ErrorCode::kInvalidArgument, name, "element {} of an axis of {}", kth, n);
}

}  // namespace

array partition(const array& x, int64_t kth, int axis) {
  check_kth(x, kth, axis, "partition");
  return sort(x, axis);
}
array argpartition(const array& x, int64_t kth, int axis) {
  check_kth(x, kth, axis, "argpartition");
  return argsort(x, axis);
}

array cumsum(const array& x, int axis, bool reverse, bool inclusive) {
  return scan(false, x, axis, reverse, inclusive);
}
array cumprod(const array& x, int axis, bool reverse, bool inclusive) {
  return scan(true, x, axis, reverse, inclusive);
}

std::vector<array> sort_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                            std::span<const int>) {
  const array& x = node.inputs[0];
  return {scatter_add_along_axis(zeros_like(x), argsort(x, -1), cotangents[0], -1)};
}

std::vector<array> scan_vjp(const Node& node, std::span<const array> outputs,
                            std::span<const array> cotangents, std::span<const int>) {
  const auto& p = node.params<ScanParams>();
  check(!p.product, ErrorCode::kUnsupported, "cumprod", "has no vjp");
  (void)outputs;
  return {cumsum(cotangents[0], -1, !p.reverse, p.inclusive)};
}

}  // namespace uma
