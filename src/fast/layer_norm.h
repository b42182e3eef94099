#pragma once
#include <optional>

#include "core/array.h"

namespace uma {

/// Layer norm over the last axis: y = (x - mean) / sqrt(variance + eps) * weight + bias. The variance is
/// the mean of (x - mean)^2, in two passes, so a large mean costs no digits.
/// shapes  x (..., D), weight and bias (D) or none -> (..., D)
/// dtype   x, weight and bias any real float; the result has what they promote to (x's where only a bias is
///         given, as in MLX). Accumulates in f32 (f64 for f64)
/// throws  Shape for a 0-d x or a weight or bias that is not (D,); DType; InvalidArgument for eps < 0 or NaN
/// source  Ba, Kiros & Hinton 2016, arXiv:1607.06450
array layer_norm(const array& x, const std::optional<array>& weight, const std::optional<array>& bias,
                 float eps);

struct LayerNormParams {
  float eps;
  bool has_weight;  // inputs are x, then the weight, then the bias, as far as they are given
  bool has_bias;
};

std::vector<array> layer_norm_fallback(const Node& node, std::span<const array> inputs);

std::pair<std::vector<array>, std::vector<int>> layer_norm_vmap(const Node&, std::span<const array>,
                                                                std::span<const int>);

inline constexpr OpInfo kLayerNorm{.name = "layer_norm",
                                   .args = "x, weight, bias",
                                   .doc = "Layer norm over the last axis.",
                                   .dtype = DTypeRule::same,
                                   .vmap = layer_norm_vmap,
                                   .fallback = layer_norm_fallback,
                                   .max_ulp = 8,
                                   .example = "layer_norm(x, weight, bias, 1e-5f)"};

}  // namespace uma
