#pragma once
// Losses, elementwise or along an axis, then reduced.
#include <optional>

#include "core/array.h"

namespace uma::nn::losses {

enum class Reduce : uint8_t { none, mean, sum };

struct CrossEntropyOptions {
  std::optional<array> weights = {};  // of the loss's shape
  int axis = -1;                      // of the classes
  double label_smoothing = 0;         // this share of each target goes evenly to all classes
  Reduce reduction = Reduce::none;
};
/// -log softmax(logits) of the target classes.
/// shapes  logits (..., C, ...); targets class indices (...) or probabilities like logits -> (...)
/// throws  Shape where these do not match; Index for the axis; InvalidArgument for a smoothing outside [0, 1)
array cross_entropy(const array& logits, const array& targets, const CrossEntropyOptions& options = {});

struct BinaryCrossEntropyOptions {
  std::optional<array> weights = {};
  bool with_logits = true;  // false: inputs are probabilities, whose logarithms are kept above -100
  Reduce reduction = Reduce::mean;
};
/// -(t log p + (1 - t) log(1 - p)) for p = sigmoid(inputs). throws Shape unless all shapes are the same
array binary_cross_entropy(const array& inputs, const array& targets,
                           const BinaryCrossEntropyOptions& options = {});

// Of two arrays of one shape; throw Shape for others.

/// |predictions - targets|, its square, and d^2 / (2 beta) for differences d below beta, else d - beta / 2.
array l1_loss(const array& predictions, const array& targets, Reduce reduction = Reduce::mean);
array mse_loss(const array& predictions, const array& targets, Reduce reduction = Reduce::mean);
array smooth_l1_loss(const array& predictions, const array& targets, double beta = 1.0,
                     Reduce reduction = Reduce::mean);
/// (log v + (inputs - targets)^2 / v) / 2 for v = max(vars, eps); full: with the constant log(2 pi) / 2.
array gaussian_nll_loss(const array& inputs, const array& targets, const array& vars, bool full = false,
                        double eps = 1e-6, Reduce reduction = Reduce::mean);
/// max(0, margin - targets (inputs1 - inputs2)), with targets 1 or -1.
array margin_ranking_loss(const array& inputs1, const array& inputs2, const array& targets, double margin = 0,
                          Reduce reduction = Reduce::none);

// Of arrays that broadcast.

/// Minus the log probability in `inputs` of the target classes; targets have the shape without the axis.
array nll_loss(const array& inputs, const array& targets, int axis = -1, Reduce reduction = Reduce::none);
/// The divergence of log probabilities `inputs` from log probabilities `targets`, summed over the axis.
array kl_div_loss(const array& inputs, const array& targets, int axis = -1, Reduce reduction = Reduce::none);
/// max(|a - p| - |a - n| + margin, 0) with p-norms along the axis.
array triplet_loss(const array& anchors, const array& positives, const array& negatives, int axis = -1,
                   double p = 2, double margin = 1.0, double eps = 1e-6, Reduce reduction = Reduce::none);
/// max(0, 1 - inputs targets), with targets -1 or 1.
array hinge_loss(const array& inputs, const array& targets, Reduce reduction = Reduce::none);
/// d^2 / 2 for differences d up to delta, else delta (d - delta / 2).
array huber_loss(const array& inputs, const array& targets, double delta = 1.0,
                 Reduce reduction = Reduce::none);
/// log cosh(inputs - targets), without overflow.
array log_cosh_loss(const array& inputs, const array& targets, Reduce reduction = Reduce::none);
/// x1 . x2 / max(|x1| |x2|, eps) along the axis: the similarity itself, 1 for one direction.
array cosine_similarity_loss(const array& x1, const array& x2, int axis = 1, double eps = 1e-8,
                             Reduce reduction = Reduce::none);

}  // namespace uma::nn::losses
