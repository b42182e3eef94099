#include "ops/reduce.h"

#include <algorithm>

#include "core/eval.h"
#include "ops/cast.h"
#include "ops/count.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/shape.h"
#include "ops/sort.h"

namespace uma {
namespace {

SmallVector<int, 8> normalized(const array& x, const Axes& axes, std::string_view op) {
  SmallVector<int, 8> out;
  if (axes.empty())
    for (size_t i = 0; i < x.ndim(); ++i) out.push_back(static_cast<int>(i));
  for (const int axis : axes) out.push_back(normalize_axis(axis, x.ndim(), op));
  std::sort(out.begin(), out.end());
  check(std::adjacent_find(out.begin(), out.end()) == out.end(), ErrorCode::kInvalidArgument, op,
        "an axis comes twice");
  return out;
}

array dropped(const array& x, const SmallVector<int, 8>& axes, bool keepdims) {
  if (keepdims || axes.empty()) return x;
  return squeeze(x, {axes.begin(), axes.end()});
}

DType sum_dtype(DType d) {
  if (is_inexact(d)) return d;
  if (size_of(d) == 8) return d;
  return d == DType::bool_ || is_signed_integer(d) ? DType::int32 : DType::uint32;
}

array reduce(Reduction kind, std::string_view name, const array& x, const Axes& axes, bool keepdims) {
  ReduceParams params{kind, normalized(x, axes, name)};
  Shape shape = x.shape();
  for (const int axis : params.axes) {
    check((kind != Reduction::max && kind != Reduction::min) || shape[static_cast<size_t>(axis)] > 0,
          ErrorCode::kInvalidArgument, name, "an empty axis of shape {} has none", x.shape());
    shape[static_cast<size_t>(axis)] = 1;
  }
  const bool logical = kind == Reduction::all || kind == Reduction::any;
  const bool adds = kind == Reduction::sum || kind == Reduction::prod;
  const DType d = logical ? DType::bool_ : adds ? sum_dtype(x.dtype()) : x.dtype();
  const array input = logical || adds ? astype(x, d) : x;
  const auto kept = params.axes;
  return dropped(array::make(std::move(shape), d, kReduce, std::move(params), {input}), kept, keepdims);
}

array arg_reduce(bool largest, const array& x, int axis, bool keepdims) {
  const std::string_view name = largest ? "argmax" : "argmin";
  axis = normalize_axis(axis, x.ndim(), name);
  Shape shape = x.shape();
  check(shape[static_cast<size_t>(axis)] > 0, ErrorCode::kInvalidArgument, name,
        "an empty axis of shape {} has none", shape);
  shape[static_cast<size_t>(axis)] = 1;
  const array out =
      array::make(std::move(shape), DType::uint32, kArgReduce, ArgReduceParams{largest, axis}, {x});
  return keepdims ? out : squeeze(out, {axis});
}

// The number itself, but where the function is recorded for other shapes too.
array count_of(const array& x, const Axes& axes, double less, DType dtype) {
  const auto over = normalized(x, axes, "mean");
  if (Recording::shapeless()) {
    const array n = number_of_elements(x, axes, dtype);
    return less == 0 ? n : maximum(n - array(less, dtype), array(0.0, dtype));
  }
  double n = 1;
  for (const int axis : over) n *= static_cast<double>(x.shape(axis));
  return array(std::max(0.0, n - less), dtype);
}

// Halves would overflow, or stop growing, long before their mean does.
DType wide_dtype(DType d) {
  return d == DType::float64 || d == DType::complex64 ? d : DType::float32;
}

array inexact(const array& x) {
  return is_inexact(x.dtype()) ? x : astype(x, DType::float32);
}

}  // namespace

array sum(const array& x, const Axes& axes, bool keepdims) {
  return reduce(Reduction::sum, "sum", x, axes, keepdims);
}
array prod(const array& x, const Axes& axes, bool keepdims) {
  return reduce(Reduction::prod, "prod", x, axes, keepdims);
}
array max(const array& x, const Axes& axes, bool keepdims) {
  return reduce(Reduction::max, "max", x, axes, keepdims);
}
array min(const array& x, const Axes& axes, bool keepdims) {
  return reduce(Reduction::min, "min", x, axes, keepdims);
}
array all(const array& x, const Axes& axes, bool keepdims) {
  return reduce(Reduction::all, "all", x, axes, keepdims);
}
array any(const array& x, const Axes& axes, bool keepdims) {
  return reduce(Reduction::any, "any", x, axes, keepdims);
}

array mean(const array& x, const Axes& axes, bool keepdims) {
  const array values = inexact(x);
  const DType wide = wide_dtype(values.dtype());
  return astype(sum(astype(values, wide), axes, keepdims) / count_of(x, axes, 0, wide), values.dtype());
}

array var(const array& x, const Axes& axes, bool keepdims, int64_t ddof) {
  const array values = inexact(x);
  const DType wide = wide_dtype(values.dtype());
  const array w = astype(values, wide);
  const array centred = w - mean(w, axes, true);
  const bool complex = wide == DType::complex64;  // the variance of complex numbers is real
  const array squares = complex ? square(real(centred)) + square(imag(centred)) : square(centred);
  const array n = count_of(x, axes, static_cast<double>(ddof), squares.dtype());
  return astype(sum(squares, axes, keepdims) / n, complex ? DType::float32 : values.dtype());
}

array logsumexp(const array& x, const Axes& axes, bool keepdims) {
  const array values = inexact(x);
  const array top = stop_gradient(max(values, axes, true));
  // Where the largest is infinite, the difference below would be NaN.
  const array shift = where(isinf(top), zeros_like(top), top);
  const array out = log(sum(exp(values - shift), axes, true)) + shift;
  return dropped(out, normalized(x, axes, "logsumexp"), keepdims);
}

array argmax(const array& x, int axis, bool keepdims) {
  return arg_reduce(true, x, axis, keepdims);
}
array argmin(const array& x, int axis, bool keepdims) {
  return arg_reduce(false, x, axis, keepdims);
}
array argmax(const array& x) {
  return argmax(flatten(x), 0, false);
}
array argmin(const array& x) {
  return argmin(flatten(x), 0, false);
}

std::vector<array> reduce_vjp(const Node& node, std::span<const array> outputs,
                              std::span<const array> cotangents, std::span<const int>) {
  const auto& params = node.params<ReduceParams>();
  const array& x = node.inputs[0];
  switch (params.kind) {
    case Reduction::sum:
      return {broadcast_to(cotangents[0], x.shape())};
    case Reduction::prod: {
      // The product of all others, from both sides: exact beside zeros, as x is never divided by.
      std::vector<int> order, back(x.ndim());
      const auto reduced = [&](int i) {
        return std::find(params.axes.begin(), params.axes.end(), i) != params.axes.end();
      };
      for (const bool last : {false, true})
        for (int i = 0; i < static_cast<int>(x.ndim()); ++i)
          if (reduced(i) == last) order.push_back(i);
      for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int>(i);
      if (params.axes.empty()) return {cotangents[0]};
      const array moved = transpose(x, order);
      const array rows =
          flatten(moved, static_cast<int>(x.ndim() - params.axes.size()), static_cast<int>(x.ndim()) - 1);
      const array others = cumprod(rows, -1, false, false) * cumprod(rows, -1, true, false);
      const array grad = transpose(reshape(others, moved.shape()), back);
      return {cotangents[0] * (x.dtype() == DType::complex64 ? conjugate(grad) : grad)};
    }
    case Reduction::max:
    case Reduction::min: {
      // Equal extremes share the gradient, as in MLX.
      const array hit = astype(equal(x, outputs[0]), x.dtype());
      const array hits = sum(hit, {params.axes.begin(), params.axes.end()}, true);
      return {cotangents[0] * hit / hits};
    }
    case Reduction::all:
    case Reduction::any:
      break;
  }
  return {zeros_like(x)};
}

std::vector<array> reduce_jvp(const Node& node, std::span<const array> outputs,
                              std::span<const array> tangents, std::span<const int>) {
  const auto& params = node.params<ReduceParams>();
  const Axes axes(params.axes.begin(), params.axes.end());
  if (params.kind == Reduction::sum) return {sum(tangents[0], axes, true)};
  if (params.kind == Reduction::all || params.kind == Reduction::any) return {zeros_like(outputs[0])};
  const std::vector<array> one{ones_like(outputs[0])};
  const int argnum = 0;
  array slope = reduce_vjp(node, outputs, one, std::span<const int>(&argnum, 1))[0];
  if (slope.dtype() == DType::complex64) slope = conjugate(slope);  // vjp gives the transpose
  return {sum(tangents[0] * slope, axes, true)};
}

std::pair<std::vector<array>, std::vector<int>> reduce_vmap(const Node& node, std::span<const array> inputs,
                                                            std::span<const int> axes) {
  ReduceParams params = node.params<ReduceParams>();
  const array x = moveaxis(inputs[0], axes[0], 0);
  Shape shape = x.shape();
  for (int& axis : params.axes) shape[static_cast<size_t>(++axis)] = 1;
  return {{array::make(std::move(shape), x.dtype(), kReduce, std::move(params), {x})}, {0}};
}

std::pair<std::vector<array>, std::vector<int>> arg_reduce_vmap(const Node& node,
                                                                std::span<const array> inputs,
                                                                std::span<const int> axes) {
  ArgReduceParams params = node.params<ArgReduceParams>();
  const array x = moveaxis(inputs[0], axes[0], 0);
  Shape shape = x.shape();
  shape[static_cast<size_t>(++params.axis)] = 1;
  return {{array::make(std::move(shape), DType::uint32, kArgReduce, params, {x})}, {0}};
}

}  // namespace uma
