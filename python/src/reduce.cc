// Reductions, running sums, orders.
#include "ops/reduce.h"

#include "bind.h"
#include "ops/cast.h"
#include "ops/composed.h"
#include "ops/creation.h"
#include "ops/cumulative.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "ops/sort.h"

namespace uma::python {
namespace {

using Reduce = array (*)(const array&, const Axes&, bool);

// Over no axis each element is reduced by itself: the shape stays, the dtype is that of the reduction.
array alone(const array& a) {
  return expand_dims(a, {-1});
}

void def_reduction(Module& m, const char* name, Reduce f, const char* doc, bool same_dtype = false) {
  def_both(
      m, name,
      [f, same_dtype](const array& a, const AxesArg& axis, bool keepdims, const StreamArg& s) {
        StreamScope scope(s);
        const auto axes = axes_of(axis);
        if (!axes && same_dtype) return a;
        return axes ? f(a, *axes, keepdims) : f(alone(a), {-1}, false);
      },
      "axis"_a.none() = nb::none(), "keepdims"_a = false, nb::kw_only(), "stream"_a = nb::none(), doc);
}

using Moment = array (*)(const array&, const Axes&, bool, int64_t);

void def_moment(Module& m, const char* name, Moment f, const char* doc) {
  def_both(
      m, name,
      [f](const array& a, const AxesArg& axis, bool keepdims, int64_t ddof, std::optional<int64_t> correction,
          const StreamArg& s) {
        StreamScope scope(s);
        const auto axes = axes_of(axis);
        const int64_t d = correction.value_or(ddof);
        return axes ? f(a, *axes, keepdims, d) : f(alone(a), {-1}, false, d);
      },
      "axis"_a.none() = nb::none(), "keepdims"_a = false, "ddof"_a = 0, nb::kw_only(),
      "correction"_a.none() = nb::none(), "stream"_a = nb::none(), doc);
}

using Arg = array (*)(const array&, int, bool);

void def_arg(Module& m, const char* name, Arg f, const char* doc) {
  def_both(
      m, name,
      [f](const array& a, std::optional<int> axis, bool keepdims, const StreamArg& s) {
        StreamScope scope(s);
        if (axis) return f(a, *axis, keepdims);
        const array flat = f(flatten(a), 0, false);
        return keepdims ? reshape(flat, Shape(a.ndim(), 1)) : flat;
      },
      "axis"_a.none() = nb::none(), "keepdims"_a = false, nb::kw_only(), "stream"_a = nb::none(), doc);
}

using Scan = array (*)(const array&, int, bool, bool);

array scan(Scan f, const array& a, std::optional<int> axis, bool reverse, bool inclusive) {
  return axis ? f(a, *axis, reverse, inclusive) : f(flatten(a), 0, reverse, inclusive);
}

void def_scan(Module& m, const char* name, Scan f, const char* doc) {
  def_both(
      m, name,
      [f](const array& a, std::optional<int> axis, bool reverse, bool inclusive, const StreamArg& s) {
        StreamScope scope(s);
        return scan(f, a, axis, reverse, inclusive);
      },
      "axis"_a.none() = nb::none(), nb::kw_only(), "reverse"_a = false, "inclusive"_a = true,
      "stream"_a = nb::none(), doc);
}

/// One that takes the dtype to work in.
void def_typed_scan(Module& m, const char* name, Scan f, const char* doc) {
  def_both(
      m, name,
      [f](const array& a, std::optional<int> axis, bool reverse, bool inclusive, std::optional<Dtype> dtype,
          const StreamArg& s) {
        StreamScope scope(s);
        return scan(f, dtype ? astype(a, dtype->value) : a, axis, reverse, inclusive);
      },
      "axis"_a.none() = nb::none(), nb::kw_only(), "reverse"_a = false, "inclusive"_a = true,
      "dtype"_a.none() = nb::none(), "stream"_a = nb::none(), doc);
}

// An axis of None means the flattened array; a missing one means the last.
using AxisOrNone = std::optional<int>;

void bind_orders(Module& m) {
  const auto def = [&](const char* name, array (*f)(const array&, int), const char* doc) {
    m.def(
        name,
        [f](const array& a, AxisOrNone axis, const StreamArg& s) {
          StreamScope scope(s);
          return axis ? f(a, *axis) : f(flatten(a), 0);
        },
        nb::arg("a"), "axis"_a.none() = -1, nb::kw_only(), "stream"_a = nb::none(), doc);
  };
  def("sort", &sort, "Ascending, stable, NaN last.");
  def("argsort", &argsort, "Indices that sort.");
  const auto def_k = [&](const char* name, array (*f)(const array&, int64_t, int), const char* k,
                         const char* doc) {
    m.def(
        name,
        [f](const array& a, int64_t kth, AxisOrNone axis, const StreamArg& s) {
          StreamScope scope(s);
          return axis ? f(a, kth, *axis) : f(flatten(a), kth, 0);
        },
        nb::arg("a"), nb::arg(k), "axis"_a.none() = -1, nb::kw_only(), "stream"_a = nb::none(), doc);
  };
  def_k("topk", &topk, "k", "The k largest elements, in ascending order.");
  def_k("partition", &partition, "kth", "The kth element at its sorted place, smaller ones before it.");
  def_k("argpartition", &argpartition, "kth", "Indices that partition.");
}

}  // namespace

void bind_reduce(Module& m) {
  def_reduction(m, "sum", &sum,
                "Sum over axes. Halves accumulate in float32; bools and narrow integers give int32.", true);
  def_reduction(m, "prod", &prod, "Product over axes.", true);
  def_reduction(m, "max", &max, "Largest over axes; NaN wins.", true);
  def_reduction(m, "min", &min, "Smallest over axes; NaN wins.", true);
  def_reduction(m, "all", &all, "True where every element is not zero.");
  def_reduction(m, "any", &any, "True where one element is not zero.");
  def_reduction(m, "mean", &mean, "Mean over axes.");
  def_reduction(m, "logsumexp", &logsumexp, "log(sum(exp(a))) without overflow.");
  def_moment(m, "var", &var, "Variance over axes, two-pass.");
  def_moment(m, "std", &uma::std, "Standard deviation over axes.");
  def_arg(m, "argmax", &argmax, "Index of the first largest element.");
  def_arg(m, "argmin", &argmin, "Index of the first smallest element.");
  def_typed_scan(m, "cumsum", &cumsum, "Running sum; halves accumulate in float32.");
  def_typed_scan(m, "cumprod", &cumprod, "Running product.");
  def_scan(m, "cummax", &cummax, "Running maximum.");
  def_scan(m, "cummin", &cummin, "Running minimum.");
  def_scan(m, "logcumsumexp", &logcumsumexp, "Running log(sum(exp(a))), without overflow.");
  m.attr("cumulative_sum") = m.attr("cumsum");
  m.attr("cumulative_prod") = m.attr("cumprod");
  bind_orders(m);
  m.def(
      "softmax",
      [](const array& a, const AxesArg& axis, bool precise, const StreamArg& s) {
        StreamScope scope(s);
        static_cast<void>(precise);  // halves accumulate in float32 either way
        const Axes axes = axes_of(axis).value_or(Axes{});
        const array x = is_inexact(a.dtype()) ? a : astype(a, DType::float32);
        if (x.size() == 0) return x;
        if (axes.size() == 1) return softmax(x, axes[0]);
        const array e = exp(x - stop_gradient(max(x, axes, true)));
        return e / sum(e, axes, true);
      },
      nb::arg(), "axis"_a.none() = nb::none(), nb::kw_only(), "precise"_a = false, "stream"_a = nb::none(),
      "exp(a) / sum(exp(a)) over axes, without overflow.");
  m.def(
      "count_nonzero",
      [](const array& a, const AxesArg& axis, bool keepdims, const StreamArg& s) {
        StreamScope scope(s);
        const array set = astype(astype(a, DType::bool_), DType::int32);
        const auto axes = axes_of(axis);
        return axes ? sum(set, *axes, keepdims) : set;
      },
      nb::arg(), "axis"_a.none() = nb::none(), "keepdims"_a = false, nb::kw_only(), "stream"_a = nb::none());
}

}  // namespace uma::python
