#include "fast/rms_norm.h"

#include <algorithm>

#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "transforms/fallback.h"

namespace uma {

array rms_norm(const array& x, const std::optional<array>& weight, float eps) {
  check(x.ndim() >= 1, ErrorCode::kShape, "rms_norm", "needs an array of at least one dimension");
  check(is_floating(x.dtype()), ErrorCode::kDType, "rms_norm", "takes float arrays, not {}",
        name_of(x.dtype()));
  check(eps >= 0, ErrorCode::kInvalidArgument, "rms_norm", "eps must not be negative, and is {}", eps);
  DType dtype = x.dtype();
  std::vector<array> inputs;
  if (weight) {
    check(weight->ndim() == 1 && weight->shape(0) == x.shape(-1), ErrorCode::kShape, "rms_norm",
          "weight of shape {} does not fit the last axis of x, of shape {}", weight->shape(), x.shape());
    check(is_floating(weight->dtype()), ErrorCode::kDType, "rms_norm", "takes a float weight, not {}",
          name_of(weight->dtype()));
    dtype = promote(dtype, weight->dtype());
    // One dtype of weights for the kernels: what they accumulate in.
    inputs.push_back(astype(*weight, dtype == DType::float64 ? DType::float64 : DType::float32));
  }
  inputs.insert(inputs.begin(), astype(x, dtype));
  return array::make(x.shape(), dtype, kRmsNorm, RmsNormParams{eps}, std::move(inputs));
}

std::vector<array> rms_norm_fallback(const Node& node, std::span<const array> inputs) {
  const DType dtype = inputs[0].dtype();
  const array x = astype(inputs[0], dtype == DType::float64 ? dtype : DType::float32);
  const array eps(node.params<RmsNormParams>().eps);
  array y = multiply(x, rsqrt(add(mean(square(x), std::vector<int>{-1}, true), eps)));
  if (inputs.size() > 1) y = multiply(y, inputs[1]);
  return {astype(y, dtype)};
}

std::pair<std::vector<array>, std::vector<int>> rms_norm_vmap(const Node& node, std::span<const array> inputs,
                                                              std::span<const int> axes) {
  // Rows are normalized one by one, so only a weight of each batch's own needs the composition.
  if (std::any_of(axes.begin() + 1, axes.end(), [](int axis) { return axis >= 0; }))
    return fallback_vmap(node, inputs, axes);
  std::vector<array> moved(inputs.begin(), inputs.end());
  moved[0] = moveaxis(inputs[0], axes[0], 0);
  return {{array::make(moved[0].shape(), moved[0].dtype(), kRmsNorm, node.params<RmsNormParams>(), moved)},
          {0}};
}

}  // namespace uma
