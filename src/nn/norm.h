#pragma once
// Normalizations: values to mean 0 and variance 1 over some axes, then a learned affine map.
#include "nn/module.h"

namespace uma::nn {

/// The last axis. shapes  x (..., dims) -> the same; weight and bias (dims), ones and zeros
/// source  Ba et al. 2016, arXiv:1607.06450
struct LayerNorm : Module {
  explicit LayerNorm(int64_t dims, double eps = 1e-5, bool affine = true, bool bias = true);
  array operator()(const array& x) const;

 private:
  float eps_;
};

/// The last axis by its root mean square. shapes  x (..., dims) -> the same; weight (dims), ones
/// source  Zhang & Sennrich 2019, arXiv:1910.07467
struct RMSNorm : Module {
  explicit RMSNorm(int64_t dims, double eps = 1e-5);
  array operator()(const array& x) const;

 private:
  float eps_;
};

/// Groups of channels over all spatial positions of an example. Channel c is in group c % num_groups, or
/// with pytorch_compatible in group c / (dims / num_groups). shapes  x (N, ..., dims) -> the same
/// throws  InvalidArgument where num_groups does not divide dims    source  Wu & He 2018, arXiv:1803.08494
struct GroupNorm : Module {
  GroupNorm(int64_t num_groups, int64_t dims, double eps = 1e-5, bool affine = true,
            bool pytorch_compatible = false);
  array operator()(const array& x) const;

 private:
  int64_t groups_, dims_;
  double eps_;
  bool pytorch_;
};

/// Each channel of each example over its spatial positions. shapes  x (N, ..., dims), at least 3 dimensions
/// throws  Shape for fewer    source  Ulyanov et al. 2016, arXiv:1607.08022
struct InstanceNorm : Module {
  explicit InstanceNorm(int64_t dims, double eps = 1e-5, bool affine = false);
  array operator()(const array& x) const;

 private:
  double eps_;
};

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;
  bool affine = true;
  bool track_running_stats = true;
};
/// Each channel over the batch and the spatial positions. In training by the batch's own statistics, and the
/// running ones, which are never trained, become (1 - momentum) running + momentum batch, with the unbiased
/// variance; in evaluation by the running ones.
/// shapes  x (N, C), (N, L, C) or (N, H, W, C) -> the same
/// throws  Shape for others, and in training for one value a channel
/// source  Ioffe & Szegedy 2015, arXiv:1502.03167
struct BatchNorm : Module {
  explicit BatchNorm(int64_t num_features, const BatchNormOptions& options = {});
  array operator()(const array& x) const;

 private:
  BatchNormOptions options_;
};

}  // namespace uma::nn
