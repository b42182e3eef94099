#include "nn/losses.h"

#include <cmath>
#include <numbers>

#include "ops/cast.h"
#include "ops/indexing.h"
#include "ops/operators.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma::nn::losses {
namespace {

array reduced(const array& loss, Reduce reduction) {
  if (reduction == Reduce::mean) return mean(loss);
  return reduction == Reduce::sum ? sum(loss) : loss;
}

void check_same(std::string_view op, const array& a, const array& b) {
  check(a.shape() == b.shape(), ErrorCode::kShape, op, "needs arrays of one shape, not of {} and {}",
        a.shape(), b.shape());
}

array weighted(std::string_view op, const array& loss, const std::optional<array>& weights) {
  if (!weights) return loss;
  check(weights->shape() == loss.shape(), ErrorCode::kShape, op,
        "has weights of shape {} for losses of shape {}", weights->shape(), loss.shape());
  return loss * *weights;
}

/// The element of each row that `targets` names.
array picked(const array& x, const array& targets, int axis) {
  return squeeze(take_along_axis(x, expand_dims(targets, {axis}), axis), {axis});
}

array norm(const array& x, int axis) {
  return sqrt(sum(square(x), {axis}));
}

}  // namespace

array cross_entropy(const array& logits, const array& targets, const CrossEntropyOptions& options) {
  constexpr auto kOp = "cross_entropy";
  const double smoothing = options.label_smoothing;
  check(smoothing >= 0 && smoothing < 1, ErrorCode::kInvalidArgument, kOp,
        "label_smoothing must be in [0, 1), not {}", smoothing);
  const int axis = normalize_axis(options.axis, logits.ndim(), kOp);
  const bool probabilities = targets.ndim() == logits.ndim();
  Shape expected;
  for (size_t i = 0; i < logits.ndim(); ++i)
    if (probabilities || i != static_cast<size_t>(axis)) expected.push_back(logits.shape()[i]);
  check(targets.shape() == expected, ErrorCode::kShape, kOp,
        "targets {} do not fit logits {} with classes at axis {}", targets.shape(), logits.shape(), axis);
  const auto score_of = [&] {
    if (probabilities) return sum(logits * targets, {axis});
    return picked(logits, is_integral(targets.dtype()) ? targets : astype(targets, DType::int32), axis);
  };
  array score = score_of();
  if (smoothing > 0) score = (1 - smoothing) * score + smoothing * mean(logits, {axis});
  return reduced(weighted(kOp, logsumexp(logits, {axis}) - score, options.weights), options.reduction);
}

array binary_cross_entropy(const array& inputs, const array& targets,
                           const BinaryCrossEntropyOptions& options) {
  constexpr auto kOp = "binary_cross_entropy";
  check_same(kOp, inputs, targets);
  const auto loss_of = [&] {
    if (options.with_logits) return logaddexp(weak(0, inputs), inputs) - inputs * targets;
    const auto bounded_log = [](const array& p) { return maximum(log(p), -100); };
    return -(targets * bounded_log(inputs) + (1 - targets) * bounded_log(1 - inputs));
  };
  return reduced(weighted(kOp, loss_of(), options.weights), options.reduction);
}

array l1_loss(const array& predictions, const array& targets, Reduce reduction) {
  check_same("l1_loss", predictions, targets);
  return reduced(abs(predictions - targets), reduction);
}

array mse_loss(const array& predictions, const array& targets, Reduce reduction) {
  check_same("mse_loss", predictions, targets);
  return reduced(square(predictions - targets), reduction);
}

array smooth_l1_loss(const array& predictions, const array& targets, double beta, Reduce reduction) {
  check_same("smooth_l1_loss", predictions, targets);
  if (beta == 0) return l1_loss(predictions, targets, reduction);
  const array diff = abs(predictions - targets);
  return reduced(where(diff < beta, 0.5 * square(diff) / beta, diff - 0.5 * beta), reduction);
}

array gaussian_nll_loss(const array& inputs, const array& targets, const array& vars, bool full, double eps,
                        Reduce reduction) {
  check_same("gaussian_nll_loss", inputs, targets);
  check_same("gaussian_nll_loss", inputs, vars);
  const array var = maximum(vars, eps);
  array loss = 0.5 * (log(var) + square(targets - inputs) / var);
  if (full) loss += 0.5 * std::log(2 * std::numbers::pi);
  return reduced(loss, reduction);
}

array margin_ranking_loss(const array& inputs1, const array& inputs2, const array& targets, double margin,
                          Reduce reduction) {
  check_same("margin_ranking_loss", inputs1, inputs2);
  check_same("margin_ranking_loss", inputs1, targets);
  return reduced(maximum(-targets * (inputs1 - inputs2) + margin, 0), reduction);
}

array nll_loss(const array& inputs, const array& targets, int axis, Reduce reduction) {
  return reduced(-picked(inputs, targets, axis), reduction);
}

array kl_div_loss(const array& inputs, const array& targets, int axis, Reduce reduction) {
  return reduced(sum(exp(targets) * (targets - inputs), {axis}), reduction);
}

array triplet_loss(const array& anchors, const array& positives, const array& negatives, int axis, double p,
                   double margin, double eps, Reduce reduction) {
  // eps keeps the root differentiable at 0.
  const auto distance = [&](const array& x, const array& y) {
    return power(sum(power(abs(x - y), p), {axis}) + eps, 1 / p);
  };
  const array loss = distance(anchors, positives) - distance(anchors, negatives) + margin;
  return reduced(maximum(loss, 0), reduction);
}

array hinge_loss(const array& inputs, const array& targets, Reduce reduction) {
  return reduced(maximum(1 - inputs * targets, 0), reduction);
}

array huber_loss(const array& inputs, const array& targets, double delta, Reduce reduction) {
  const array diff = abs(inputs - targets);
  return reduced(where(diff <= delta, 0.5 * square(diff), delta * (diff - 0.5 * delta)), reduction);
}

array log_cosh_loss(const array& inputs, const array& targets, Reduce reduction) {
  const array diff = inputs - targets;
  return reduced(logaddexp(diff, -diff) - std::numbers::ln2, reduction);
}

array cosine_similarity_loss(const array& x1, const array& x2, int axis, double eps, Reduce reduction) {
  const array norms = norm(x1, axis) * norm(x2, axis);
  return reduced(sum(x1 * x2, {axis}) / maximum(norms, eps), reduction);
}

}  // namespace uma::nn::losses
