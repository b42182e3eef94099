#include "fast/layer_norm.h"

#include <algorithm>

#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "transforms/fallback.h"

namespace uma {
namespace {

void check_vector(const array& v, const array& x, std::string_view name) {
  check(v.ndim() == 1 && v.shape(0) == x.shape(-1), ErrorCode::kShape, "layer_norm",
        "{} of shape {} does not fit the last axis of x, of shape {}", name, v.shape(), x.shape());
  check(is_floating(v.dtype()), ErrorCode::kDType, "layer_norm", "takes a float {}, not {}", name,
        name_of(v.dtype()));
}

}  // namespace

array layer_norm(const array& x, const std::optional<array>& weight, const std::optional<array>& bias,
                 float eps) {
  check(x.ndim() >= 1, ErrorCode::kShape, "layer_norm", "needs an array of at least one dimension");
  check(is_floating(x.dtype()), ErrorCode::kDType, "layer_norm", "takes float arrays, not {}",
        name_of(x.dtype()));
  check(eps >= 0, ErrorCode::kInvalidArgument, "layer_norm", "eps must not be negative, and is {}", eps);
  DType dtype = x.dtype();
  if (weight) {
    check_vector(*weight, x, "weight");
    dtype = promote(dtype, weight->dtype());
  }
  if (bias) {
    check_vector(*bias, x, "bias");
    if (weight) dtype = promote(dtype, bias->dtype());  // alone it promotes nothing, as in MLX
  }
  // One dtype of weights for the kernels: what they accumulate in.
  const DType wide = dtype == DType::float64 ? DType::float64 : DType::float32;
  std::vector<array> inputs{astype(x, dtype)};
  if (weight) inputs.push_back(astype(*weight, wide));
  if (bias) inputs.push_back(astype(*bias, wide));
  return array::make(x.shape(), dtype, kLayerNorm, LayerNormParams{eps, weight.has_value(), bias.has_value()},
                     std::move(inputs));
}

std::vector<array> layer_norm_fallback(const Node& node, std::span<const array> inputs) {
  const LayerNormParams& p = node.params<LayerNormParams>();
  const DType dtype = inputs[0].dtype();
  const array x = astype(inputs[0], dtype == DType::float64 ? dtype : DType::float32);
  const std::vector<int> last{-1};
  const array centred = subtract(x, mean(x, last, true));
  array y = multiply(centred, rsqrt(add(mean(square(centred), last, true), array(p.eps))));
  if (p.has_weight) y = multiply(y, inputs[1]);
  if (p.has_bias) y = add(y, inputs[p.has_weight ? 2 : 1]);
  return {astype(y, dtype)};
}

std::pair<std::vector<array>, std::vector<int>> layer_norm_vmap(const Node& node,
                                                                std::span<const array> inputs,
                                                                std::span<const int> axes) {
  // Rows are normalized one by one, so only a weight of each batch's own needs the composition.
  if (std::any_of(axes.begin() + 1, axes.end(), [](int axis) { return axis >= 0; }))
    return fallback_vmap(node, inputs, axes);
  std::vector<array> moved(inputs.begin(), inputs.end());
  moved[0] = moveaxis(inputs[0], axes[0], 0);
  return {
      {array::make(moved[0].shape(), moved[0].dtype(), kLayerNorm, node.params<LayerNormParams>(), moved)},
      {0}};
}

}  // namespace uma
