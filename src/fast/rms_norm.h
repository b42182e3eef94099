#pragma once
#include <optional>

#include "core/array.h"

namespace uma {

/// Root-mean-square norm over the last axis: y = x / sqrt(mean(x^2) + eps) * weight.
/// shapes  x (..., D), weight (D) or none -> (..., D)
/// dtype   x and weight any real float; the result has what they promote to. Accumulates in f32 (f64 for f64)
/// error   <= 4 ULP of f32 against f64, then one rounding to the dtype
/// throws  Shape for a 0-d x or a weight that is not (D,); DType; InvalidArgument for eps < 0 or NaN
/// source  Zhang & Sennrich 2019, arXiv:1910.07467
array rms_norm(const array& x, const std::optional<array>& weight, float eps);

struct RmsNormParams {
  float eps;
};

std::vector<array> rms_norm_fallback(const Node& node, std::span<const array> inputs);

std::pair<std::vector<array>, std::vector<int>> rms_norm_vmap(const Node&, std::span<const array>,
                                                              std::span<const int>);

inline constexpr OpInfo kRmsNorm{.name = "rms_norm",
                                 .args = "x, weight",
                                 .doc = "Root-mean-square norm over the last axis.",
                                 .dtype = DTypeRule::same,
                                 .vmap = rms_norm_vmap,
                                 .fallback = rms_norm_fallback,
                                 .max_ulp = 4,
                                 .example = "rms_norm(x, weight, 1e-5f)"};

}  // namespace uma
