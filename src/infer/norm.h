#pragma once
#include <optional>

#include "core/array.h"

namespace uma::infer {

/// rms_norm with its weight (D,).
struct RMSNorm {
  array weight;
  float eps = 1e-5f;
  array operator()(const array& x) const;
};

/// layer_norm with its weight and bias (D,).
struct LayerNorm {
  array weight;
  std::optional<array> bias = {};
  float eps = 1e-5f;
  array operator()(const array& x) const;
};

}  // namespace uma::infer
