// uma.core.linalg: norms and the cross product. What factorizes is in factor.cc.
#include <cmath>
#include <limits>

#include "bind.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/linalg.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma::python {
namespace {

using Order = std::variant<std::monostate, double, std::string>;

array size_of_each(const array& a) {
  const array x = is_inexact(a.dtype()) ? a : astype(a, DType::float32);
  return abs(x);
}

array vector_norm(const array& a, double order, const Axes& axes, bool keepdims) {
  const array x = size_of_each(a);
  if (std::isinf(order)) return order > 0 ? max(x, axes, keepdims) : min(x, axes, keepdims);
  if (order == 0) return astype(sum(astype(astype(x, DType::bool_), x.dtype()), axes, keepdims), x.dtype());
  if (order == 1) return sum(x, axes, keepdims);
  if (order == 2) return sqrt(sum(square(x), axes, keepdims));
  return power(sum(power(x, weak(order, x)), axes, keepdims), weak(1 / order, x));
}

// Singular values of the matrices that lie in two axes, as a last axis.
array singular_values(const array& a, int rows, int columns) {
  check(rows != columns, ErrorCode::kInvalidArgument, "norm", "axes {} and {} of a matrix are the same", rows,
        columns);
  const int last = static_cast<int>(a.ndim()) - 1;
  // The axis of columns moves up where that of rows, in front of it, has gone to the end.
  const array moved = moveaxis(moveaxis(a, rows, last), rows < columns ? columns - 1 : columns, last);
  return linalg::singular_values(moved);
}

array kept_as_ones(const array& x, const Axes& axes, size_t ndim) {
  std::vector<int> places;
  for (const int axis : axes) places.push_back(normalize_axis(axis, ndim, "norm"));
  return expand_dims(x, places);
}

array matrix_norm(const array& a, const Order& order, const Axes& axes, bool keepdims) {
  const int rows = normalize_axis(axes[0], a.ndim(), "norm"),
            columns = normalize_axis(axes[1], a.ndim(), "norm");
  const auto finished = [&](const array& x) { return keepdims ? kept_as_ones(x, axes, a.ndim()) : x; };
  if (order.index() == 2) {
    const auto& name = std::get<std::string>(order);
    check(name == "fro" || name == "f" || name == "nuc", ErrorCode::kInvalidArgument, "norm",
          "knows the matrix norms 'fro' and 'nuc', not '{}'", name);
    if (name == "nuc") return finished(sum(singular_values(a, rows, columns), {-1}));
    return sqrt(sum(square(size_of_each(a)), axes, keepdims));
  }
  const double p = std::get<double>(order);
  check(std::isinf(p) || std::abs(p) == 1 || std::abs(p) == 2, ErrorCode::kInvalidArgument, "norm",
        "knows the matrix norms 1, -1, 2, -2, inf, -inf, 'fro' and 'nuc', not {}", p);
  if (std::abs(p) == 2) {
    const array s = singular_values(a, rows, columns);
    return astype(finished(p > 0 ? max(s, {-1}) : min(s, {-1})), a.dtype());  // complex64 too, as MLX's
  }
  const array x = size_of_each(a);
  const array sums = sum(x, {std::isinf(p) ? columns : rows}, true);
  const array out = p > 0 ? max(sums, axes, true) : min(sums, axes, true);
  return keepdims ? out : squeeze(out, axes);
}

array norm(const array& a, const Order& order, const AxesArg& axis, bool keepdims) {
  Axes axes = axes_of(axis).value_or(Axes{});
  if (order.index() == 0) return vector_norm(a, 2, axes, keepdims);
  if (axes.empty()) {
    check(a.ndim() == 1 || a.ndim() == 2, ErrorCode::kInvalidArgument, "norm",
          "needs axes for an order and an array of {} dimensions", a.ndim());
    for (int i = 0; i < static_cast<int>(a.ndim()); ++i) axes.push_back(i);
  }
  check(axes.size() <= 2, ErrorCode::kInvalidArgument, "norm", "takes one or two axes, not {}", axes.size());
  if (axes.size() == 2) return matrix_norm(a, order, axes, keepdims);
  check(order.index() == 1, ErrorCode::kInvalidArgument, "norm", "of a vector has a number as its order");
  return vector_norm(a, std::get<double>(order), axes, keepdims);
}

array cross(const array& a, const array& b, int axis) {
  check(a.ndim() > 0 && b.ndim() > 0, ErrorCode::kShape, "cross", "takes no 0-d arrays");
  const auto part = [&](const array& x, int64_t i) { return slice_axis(x, axis, i, i + 1); };
  const int64_t n = a.shape(axis), k = b.shape(axis);
  check((n == 2 || n == 3) && (k == 2 || k == 3), ErrorCode::kShape, "cross",
        "takes vectors of 2 or 3 elements, not {} and {}", n, k);
  const auto third = [&](const array& x, int64_t extent) {
    return extent == 3 ? part(x, 2) : part(x, 0) * 0;
  };
  const array az = third(a, n), bz = third(b, k);
  const array x = part(a, 1) * bz - az * part(b, 1), y = az * part(b, 0) - part(a, 0) * bz,
              z = part(a, 0) * part(b, 1) - part(a, 1) * part(b, 0);
  return concatenate({x, y, z}, axis);
}

}  // namespace

void bind_linalg(Module& parent) {
  Module m = parent.def_submodule("linalg", "Linear algebra.");
  const auto def_norm = [](Module& to, const char* name) {
    to.def(
        name,
        [](const array& x, const Order& order, const AxesArg& axis, bool keepdims, const StreamArg& s) {
          StreamScope scope(s);
          // The squares of halves overflow long before their root does.
          const bool half = is_floating(x.dtype()) && size_of(x.dtype()) == 2;
          const array out = norm(half ? astype(x, DType::float32) : x, order, axis, keepdims);
          return half ? astype(out, x.dtype()) : out;
        },
        nb::arg("a"), "ord"_a.none() = nb::none(), "axis"_a.none() = nb::none(), "keepdims"_a = false,
        nb::kw_only(), "stream"_a = nb::none(),
        "Norms of vectors, and of matrices: fro, nuc, 1, -1, 2, -2, inf, -inf.");
  };
  def_norm(m, "norm");
  def_norm(parent, "matrix_norm");  // MLX's second name of it
  m.def(
      "cross",
      [](const array& a, const array& b, int axis, const StreamArg& s) {
        StreamScope scope(s);
        return cross(a, b, axis);
      },
      "a"_a, "b"_a, "axis"_a = -1, nb::kw_only(), "stream"_a = nb::none(),
      "Cross product of vectors of 2 or 3 elements.");
  bind_factors(m);
}

}  // namespace uma::python
