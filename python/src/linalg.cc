// uma.core.linalg, as far as it needs no factorization.
#include <cmath>
#include <limits>

#include "bind.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
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

array matrix_norm(const array& a, const Order& order, const Axes& axes, bool keepdims) {
  const array x = size_of_each(a);
  if (order.index() == 2) {
    const auto& name = std::get<std::string>(order);
    check(name == "fro" || name == "f", ErrorCode::kUnsupported, "norm",
          "knows the matrix norm 'fro', not '{}'", name);
    return sqrt(sum(square(x), axes, keepdims));
  }
  const double p = std::get<double>(order);
  check(std::isinf(p) || std::abs(p) == 1, ErrorCode::kUnsupported, "norm",
        "knows the matrix norms 1, -1, inf, -inf and 'fro', not {}", p);
  const int rows = normalize_axis(axes[0], a.ndim(), "norm"),
            columns = normalize_axis(axes[1], a.ndim(), "norm");
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
  if (n == 2 && k == 2) return squeeze(z, {axis});
  return concatenate({x, y, z}, axis);
}

}  // namespace

void bind_linalg(nb::module_& parent) {
  nb::module_ m = parent.def_submodule("linalg", "Linear algebra.");
  m.def(
      "norm",
      [](const array& a, const Order& order, const AxesArg& axis, bool keepdims, const StreamArg& s) {
        StreamScope scope(s);
        return norm(a, order, axis, keepdims);
      },
      nb::arg("a"), "ord"_a.none() = nb::none(), "axis"_a.none() = nb::none(), "keepdims"_a = false,
      nb::kw_only(), "stream"_a = nb::none(), "Norms of vectors, and of matrices: fro, 1, -1, inf, -inf.");
  m.def(
      "cross",
      [](const array& a, const array& b, int axis, const StreamArg& s) {
        StreamScope scope(s);
        return cross(a, b, axis);
      },
      "a"_a, "b"_a, "axis"_a = -1, nb::kw_only(), "stream"_a = nb::none(),
      "Cross product of vectors of 2 or 3 elements.");
}

}  // namespace uma::python
