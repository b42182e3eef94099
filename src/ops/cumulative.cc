#include "ops/cumulative.h"

#include <limits>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/manipulate.h"
#include "ops/shape.h"
#include "ops/sort.h"

namespace uma {
namespace {

array forwards(Cumulation kind, const array& x) {
  return array::make(x.shape(), x.dtype(), kCumulative, CumulativeParams{kind}, {x});
}

// What changes nothing: the result of no elements.
array neutral(Cumulation kind, DType dtype) {
  const bool low = kind != Cumulation::min;
  if (dtype == DType::bool_) return array(!low);
  if (is_floating(dtype)) {
    const double inf = std::numeric_limits<double>::infinity();
    return array(low ? -inf : inf, dtype);
  }
  return dispatch_integer(dtype, "cummax", [&]<class T>() {
    return array(low ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max());
  });
}

array cumulative(Cumulation kind, std::string_view name, const array& x, int axis, bool reverse,
                 bool inclusive) {
  axis = normalize_axis(axis, x.ndim(), name);
  check(x.dtype() != DType::complex64, ErrorCode::kDType, name, "does not take complex64");
  const int last = static_cast<int>(x.ndim()) - 1;
  array values = moveaxis(x, axis, last);
  if (reverse) values = flip(values, {last});
  values = forwards(kind, values);
  if (!inclusive && x.shape(axis) > 0) {
    PadWidths widths(x.ndim());
    widths.back().first = 1;
    values = slice_axis(pad(values, widths, neutral(kind, x.dtype())), last, 0, x.shape(axis));
  }
  if (reverse) values = flip(values, {last});
  return moveaxis(values, last, axis);
}

// Which element along the last axis is the extreme so far: the last one that equals it.
array holders(const array& x, const array& out) {
  const array place = arange(0, static_cast<double>(x.shape().back()), 1, DType::int64);
  return forwards(Cumulation::max, where(equal(x, out), broadcast_to(place, x.shape()), array(int64_t{0})));
}

array reversed(Cumulation kind, const array& x) {
  return flip(forwards(kind, flip(x, {-1})), {-1});
}

// f of the positive part of v less f of the negative part: logarithms know no signs.
template <class F>
array by_sign(const array& v, F f) {
  const array zero = zeros_like(v);
  return f(log(maximum(v, zero))) - f(log(maximum(negative(v), zero)));
}

}  // namespace

array cummax(const array& x, int axis, bool reverse, bool inclusive) {
  return cumulative(Cumulation::max, "cummax", x, axis, reverse, inclusive);
}
array cummin(const array& x, int axis, bool reverse, bool inclusive) {
  return cumulative(Cumulation::min, "cummin", x, axis, reverse, inclusive);
}
array logcumsumexp(const array& x, int axis, bool reverse, bool inclusive) {
  const array values = is_inexact(x.dtype()) ? x : astype(x, DType::float32);
  return cumulative(Cumulation::logsumexp, "logcumsumexp", values, axis, reverse, inclusive);
}

std::vector<array> cumulative_vjp(const Node& node, std::span<const array> outputs,
                                  std::span<const array> cotangents, std::span<const int>) {
  const array &x = node.inputs[0], &out = outputs[0];
  if (node.params<CumulativeParams>().kind != Cumulation::logsumexp)
    return {scatter_add_along_axis(zeros_like(x), holders(x, out), cotangents[0], -1)};
  // dx_j = exp(x_j) sum over i >= j of g_i exp(-out_i), in logarithms.
  return {by_sign(cotangents[0],
                  [&](const array& log_g) { return exp(x + reversed(Cumulation::logsumexp, log_g - out)); })};
}

std::vector<array> cumulative_jvp(const Node& node, std::span<const array> outputs,
                                  std::span<const array> tangents, std::span<const int>) {
  const array &x = node.inputs[0], &out = outputs[0];
  if (node.params<CumulativeParams>().kind != Cumulation::logsumexp)
    return {take_along_axis(tangents[0], holders(x, out), -1)};
  return {by_sign(tangents[0],
                  [&](const array& log_t) { return exp(forwards(Cumulation::logsumexp, x + log_t) - out); })};
}

std::pair<std::vector<array>, std::vector<int>> cumulative_vmap(const Node& node,
                                                                std::span<const array> inputs,
                                                                std::span<const int> axes) {
  return {{forwards(node.params<CumulativeParams>().kind, moveaxis(inputs[0], axes[0], 0))}, {0}};
}

}  // namespace uma
