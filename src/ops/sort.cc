#include "ops/sort.h"

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {
namespace {

// Applies an op of the last axis along another one.
template <class F>
array along(const array& x, int axis, std::string_view name, F op) {
  axis = normalize_axis(axis, x.ndim(), name);
  const int last = static_cast<int>(x.ndim()) - 1;
  return axis == last ? op(x) : moveaxis(op(moveaxis(x, axis, last)), last, axis);
}

array scan(bool product, const array& x, int axis, bool reverse, bool inclusive) {
  return along(x, axis, product ? "cumprod" : "cumsum", [&](const array& a) {
    const array values = a.dtype() == DType::bool_ && !product ? astype(a, DType::int32) : a;
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
  if (k == 0 || k == n) return slice_axis(sort(x, axis), axis, n - k, n);
  const array largest = slice_axis(argpartition(x, n - k, axis), axis, n - k, n);
  return sort(take_along_axis(x, largest, axis), axis);
}

namespace {

array argpartitioned(const array& x, int64_t kth, int axis, std::string_view name) {
  return along(x, axis, name, [&](const array& a) {
    const int64_t n = a.shape(-1);
    check(kth >= -n && kth < n, ErrorCode::kInvalidArgument, name, "element {} of an axis of {}", kth, n);
    return array::make(a.shape(), DType::uint32, kArgpartition, ArgpartitionParams{kth < 0 ? kth + n : kth},
                       {a});
  });
}

}  // namespace

array partition(const array& x, int64_t kth, int axis) {
  return take_along_axis(x, argpartitioned(x, kth, axis, "partition"), axis);
}
array argpartition(const array& x, int64_t kth, int axis) {
  return argpartitioned(x, kth, axis, "argpartition");
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

std::vector<array> sort_jvp(const Node& node, std::span<const array>, std::span<const array> tangents,
                            std::span<const int>) {
  return {take_along_axis(tangents[0], argsort(node.inputs[0], -1), -1)};
}

// Of sort and argsort.
std::pair<std::vector<array>, std::vector<int>> sort_vmap(const Node& node, std::span<const array> inputs,
                                                          std::span<const int> axes) {
  const array x = moveaxis(inputs[0], axes[0], 0);
  return {{node.op == &kSort ? sort(x, -1) : argsort(x, -1)}, {0}};
}

std::pair<std::vector<array>, std::vector<int>> argpartition_vmap(const Node& node,
                                                                  std::span<const array> inputs,
                                                                  std::span<const int> axes) {
  return {{argpartition(moveaxis(inputs[0], axes[0], 0), node.params<ArgpartitionParams>().kth, -1)}, {0}};
}

namespace {

array flipped(const array& x) {
  Shape start(x.ndim(), 0), stop = x.shape(), steps(x.ndim(), 1);
  start.back() = x.shape(-1) - 1;
  stop.back() = -1;
  steps.back() = -1;
  return x.shape(-1) == 0 ? x : slice(x, start, stop, steps);
}

// jacobian[..., j, i] = d y_i / d x_j of y = cumprod(x), forwards: the product of x_0 .. x_i without x_j,
// from both sides of j, so that nothing is divided by a zero.
array cumprod_jacobian(const array& x, bool inclusive) {
  const int64_t n = x.shape(-1);
  const double extent = static_cast<double>(n);
  const array j = reshape(arange(0, extent, 1, DType::int64), {n, 1}), i = arange(0, extent, 1, DType::int64);
  const array zero(0.0, x.dtype()), one(1.0, x.dtype());
  const array before = expand_dims(cumprod(x, -1, false, false), {-1});
  // Exclusive results stop one element earlier.
  const array after = cumprod(where(greater(i, j), expand_dims(x, {-2}), one), -1, false, inclusive);
  const array reaches = inclusive ? greater_equal(i, j) : greater(i, j);
  return where(reaches, before * after, zero);
}

}  // namespace

std::vector<array> scan_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                            std::span<const int>) {
  const auto& p = node.params<ScanParams>();
  if (!p.product) return {cumsum(cotangents[0], -1, !p.reverse, p.inclusive)};
  const auto turned = [&](const array& a) { return p.reverse ? flipped(a) : a; };
  const array jacobian = cumprod_jacobian(turned(node.inputs[0]), p.inclusive);
  return {turned(sum(jacobian * expand_dims(turned(cotangents[0]), {-2}), {-1}))};
}

std::vector<array> scan_jvp(const Node& node, std::span<const array>, std::span<const array> tangents,
                            std::span<const int>) {
  const auto& p = node.params<ScanParams>();
  if (!p.product) return {cumsum(tangents[0], -1, p.reverse, p.inclusive)};
  const auto turned = [&](const array& a) { return p.reverse ? flipped(a) : a; };
  const array jacobian = cumprod_jacobian(turned(node.inputs[0]), p.inclusive);
  return {turned(sum(jacobian * expand_dims(turned(tangents[0]), {-1}), {-2}))};
}

std::pair<std::vector<array>, std::vector<int>> scan_vmap(const Node& node, std::span<const array> inputs,
                                                          std::span<const int> axes) {
  const array x = moveaxis(inputs[0], axes[0], 0);
  return {{array::make(x.shape(), x.dtype(), kScan, node.params<ScanParams>(), {x})}, {0}};
}

}  // namespace uma
