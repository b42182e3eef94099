#include "nn/norm.h"

#include "fast/layer_norm.h"
#include "fast/rms_norm.h"
#include "nn/linear.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma::nn {
namespace {

array standardized(const array& x, const Axes& axes, double eps) {
  return (x - mean(x, axes, true)) * rsqrt(var(x, axes, true) + eps);
}

/// weight x + bias, where the layer has them.
array affine(const Module& layer, const array& x) {
  const array* weight = layer.find("weight");
  return weight ? *weight * x + layer.parameter("bias") : x;
}

/// "6, eps=1e-05, affine=True"
std::function<std::string(const Module&)> details_of(int64_t dims, double eps) {
  return [=](const Module& layer) {
    return fmt::format("{}, eps={}, affine={}", dims, spelled(eps), spelled(layer.find("weight") != nullptr));
  };
}

}  // namespace

LayerNorm::LayerNorm(int64_t dims, double eps, bool affine, bool bias) : eps_(static_cast<float>(eps)) {
  check_positive("LayerNorm", "dims", dims);
  if (affine) add("weight", ones({dims}));
  if (affine && bias) add("bias", zeros({dims}));
  traits().details = details_of(dims, eps);
}

array LayerNorm::operator()(const array& x) const {
  return layer_norm(x, optional("weight"), optional("bias"), eps_);
}

RMSNorm::RMSNorm(int64_t dims, double eps) : eps_(static_cast<float>(eps)) {
  check_positive("RMSNorm", "dims", dims);
  add("weight", ones({dims}));
  traits().details = [=](const Module&) { return fmt::format("{}, eps={}", dims, spelled(eps)); };
}

array RMSNorm::operator()(const array& x) const {
  return rms_norm(x, parameter("weight"), eps_);
}

GroupNorm::GroupNorm(int64_t num_groups, int64_t dims, double eps, bool affine, bool pytorch_compatible)
    : groups_(num_groups), dims_(dims), eps_(eps), pytorch_(pytorch_compatible) {
  check_positive("GroupNorm", "dims", dims);
  check(num_groups > 0 && dims % num_groups == 0, ErrorCode::kInvalidArgument, "GroupNorm",
        "dims ({}) must be divisible by num_groups ({})", dims, num_groups);
  traits().details = [=, rest = details_of(dims, eps)](const Module& layer) {
    return fmt::format("{}, {}, pytorch_compatible={}", num_groups, rest(layer), spelled(pytorch_compatible));
  };
  if (!affine) return;
  add("bias", zeros({dims}));
  add("weight", ones({dims}));
}

array GroupNorm::operator()(const array& x) const {
  check(x.ndim() >= 2 && x.shape(-1) == dims_, ErrorCode::kShape, "GroupNorm",
        "needs shape (N, ..., {}), not {}", dims_, x.shape());
  const int64_t batch = x.shape(0);
  const auto normal_of = [&] {
    if (!pytorch_) return standardized(reshape(x, {batch, -1, groups_}), {1}, eps_);
    const array groups = swapaxes(reshape(x, {batch, -1, groups_, dims_ / groups_}), 1, 2);
    const array normal = layer_norm(reshape(groups, {batch, groups_, -1}), {}, {}, static_cast<float>(eps_));
    return swapaxes(reshape(normal, groups.shape()), 1, 2);
  };
  return affine(*this, reshape(normal_of(), x.shape()));
}

InstanceNorm::InstanceNorm(int64_t dims, double eps, bool affine) : eps_(eps) {
  check_positive("InstanceNorm", "dims", dims);
  traits().details = details_of(dims, eps);
  if (!affine) return;
  add("weight", ones({dims}));
  add("bias", zeros({dims}));
}

array InstanceNorm::operator()(const array& x) const {
  check(x.ndim() >= 3, ErrorCode::kShape, "InstanceNorm",
        "needs shape (N, ..., C) of at least 3 dimensions, not {}", x.shape());
  Axes spatial;
  for (int i = 1; i + 1 < static_cast<int>(x.ndim()); ++i) spatial.push_back(i);
  return affine(*this, standardized(x, spatial, eps_));
}

BatchNorm::BatchNorm(int64_t num_features, const BatchNormOptions& options) : options_(options) {
  check_positive("BatchNorm", "num_features", num_features);
  if (options.affine) {
    add("weight", ones({num_features}));
    add("bias", zeros({num_features}));
  }
  if (options.track_running_stats) {
    add("running_mean", zeros({num_features}));
    add("running_var", ones({num_features}));
    never_train({"running_mean", "running_var"});
  }
  traits().details = [=](const Module&) {
    return fmt::format("{}, eps={}, momentum={}, affine={}, track_running_stats={}", num_features,
                       spelled(options.eps), spelled(options.momentum), spelled(options.affine),
                       spelled(options.track_running_stats));
  };
}

array BatchNorm::operator()(const array& x) const {
  check(x.ndim() >= 2 && x.ndim() <= 4, ErrorCode::kShape, "BatchNorm",
        "needs 2, 3 or 4 dimensions, not shape {}", x.shape());
  const bool running = options_.track_running_stats;
  if (!training() && running)
    return affine(*this, (x - parameter("running_mean")) * rsqrt(parameter("running_var") + options_.eps));
  const int64_t count = x.shape(-1) ? x.size() / x.shape(-1) : 0;
  check(!training() || count > 1, ErrorCode::kShape, "BatchNorm",
        "training needs more than one value for each channel, the input {} has {}", x.shape(), count);
  Axes axes;
  for (int i = 0; i + 1 < static_cast<int>(x.ndim()); ++i) axes.push_back(i);
  const array mu = mean(x, axes), variance = var(x, axes);
  if (training() && running) {
    const double m = options_.momentum;
    const array unbiased = variance * (static_cast<double>(count) / static_cast<double>(count - 1));
    set("running_mean", (1 - m) * parameter("running_mean") + m * mu);
    set("running_var", (1 - m) * parameter("running_var") + m * unbiased);
  }
  return affine(*this, (x - mu) * rsqrt(variance + options_.eps));
}

}  // namespace uma::nn
