#include "ops/softmax.h"

#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {

array softmax(const array& x, int axis) {
  axis = normalize_axis(axis, x.ndim(), "softmax");
  if (x.dtype() == DType::complex64) {
    const array e = exp(x - stop_gradient(max(x, {axis}, true)));
    return e / sum(e, {axis}, true);
  }
  const array values = is_inexact(x.dtype()) ? x : astype(x, DType::float32);
  const int last = static_cast<int>(x.ndim()) - 1;
  if (axis != last) return moveaxis(softmax(moveaxis(values, axis, last), last), last, axis);
  return array::make(values.shape(), values.dtype(), kSoftmax, {values}, default_stream());
}

// y * (t - sum(y t)): the Jacobian is symmetric, so vjp and jvp are one expression.
std::vector<array> softmax_vjp(const Node&, std::span<const array> outputs, std::span<const array> cotangents,
                               std::span<const int>) {
  const array& y = outputs[0];
  const array weighted = y * cotangents[0];
  return {weighted - y * sum(weighted, {-1}, true)};
}
std::vector<array> softmax_jvp(const Node& node, std::span<const array> outputs,
                               std::span<const array> tangents, std::span<const int> argnums) {
  return softmax_vjp(node, outputs, tangents, argnums);
}

std::pair<std::vector<array>, std::vector<int>> softmax_vmap(const Node&, std::span<const array> inputs,
                                                             std::span<const int> axes) {
  return {{softmax(moveaxis(inputs[0], axes[0], 0), -1)}, {0}};
}

}  // namespace uma
