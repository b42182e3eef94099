#pragma once
// Scaling along spatial axes.
#include <vector>

#include "nn/module.h"

namespace uma::nn {

enum class UpsampleMode : uint8_t { nearest, linear, cubic };

struct UpsampleOptions {
  UpsampleMode mode = UpsampleMode::nearest;
  bool align_corners = false;  // the outermost outputs lie on the outermost inputs
  bool antialias = false;      // filters what a scale below 1 would alias; cubic is then Keys' with a = -0.5
};

/// Scales the axes between the first and the last, by one number for all or by one for each.
/// shapes  x (N, L..., C), at least 3 dimensions -> (N, floor(scale L)..., C)
/// dtype   nearest: x's; linear and cubic: float32
/// throws  InvalidArgument for a scale that is not positive and finite, antialias with nearest or
///         align_corners; when called: Shape for fewer dimensions, another number of scales than spatial
///         axes, or a scale that leaves nothing of an axis, or more than can be counted
/// source  Keys 1981 for cubic, with a = -0.75
struct Upsample : Module {
  explicit Upsample(double scale, const UpsampleOptions& options = {})
      : Upsample(std::vector<double>{scale}, true, options) {}
  explicit Upsample(const std::vector<double>& scales, const UpsampleOptions& options = {})
      : Upsample(scales, false, options) {}
  array operator()(const array& x) const;

 private:
  Upsample(std::vector<double> scales, bool for_all, const UpsampleOptions& options);
  std::vector<double> scales_;
  bool for_all_;  // one scale for every axis
  UpsampleOptions options_;
};

}  // namespace uma::nn
