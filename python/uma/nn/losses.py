"""Losses, elementwise or along an axis, then reduced: "none", "mean" or "sum"."""

import math
from typing import Literal, Optional

import uma.core as mx

Reduction = Literal["none", "mean", "sum"]


def _reduce(loss: mx.array, reduction: Reduction = "none"):
    if reduction == "none":
        return loss
    if reduction == "mean":
        return mx.mean(loss)
    if reduction == "sum":
        return mx.sum(loss)
    raise ValueError(f"[losses] reduction must be none, mean or sum, not {reduction!r}")


def _same_shape(name_a, a, name_b, b):
    if a.shape != b.shape:
        raise ValueError(f"[losses] {name_a} {tuple(a.shape)} and {name_b} {tuple(b.shape)} must have the same shape")


def _weighted(loss, weights):
    if weights is None:
        return loss
    _same_shape("weights", weights, "the loss", loss)
    return loss * weights


def cross_entropy(
    logits: mx.array,
    targets: mx.array,
    weights: Optional[mx.array] = None,
    axis: int = -1,
    label_smoothing: float = 0.0,
    reduction: Reduction = "none",
) -> mx.array:
    """-log softmax(logits) of the target classes.

    shapes   logits (..., C, ...) with C at ``axis``; targets class indices (...) or probabilities like logits;
             weights and the loss (...)
    ``label_smoothing`` in [0, 1) gives that share of each target evenly to all classes. Raises ValueError for
    another value and for shapes that do not match.

    >>> cross_entropy(mx.array([[2.0, -1.0], [-1.0, 2.0]]), mx.array([0, 1]), reduction="mean")
    array(0.0485873, dtype=float32)
    """
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"[cross_entropy] label_smoothing must be in [0, 1), not {label_smoothing}")
    axis = axis % logits.ndim
    as_probabilities = targets.ndim == logits.ndim
    expected = logits.shape if as_probabilities else logits.shape[:axis] + logits.shape[axis + 1 :]
    if tuple(targets.shape) != tuple(expected):
        raise ValueError(
            f"[cross_entropy] targets {tuple(targets.shape)} do not fit logits {tuple(logits.shape)} with classes at "
            f"axis {axis}"
        )
    normalizer = mx.logsumexp(logits, axis=axis)
    if as_probabilities:
        score = mx.sum(logits * targets, axis=axis)
    else:
        index = mx.expand_dims(targets, axis)
        if not mx.issubdtype(index.dtype, mx.integer):
            index = index.astype(mx.int32)
        score = mx.take_along_axis(logits, index, axis=axis).squeeze(axis)
    if label_smoothing > 0:
        score = (1 - label_smoothing) * score + label_smoothing * mx.mean(logits, axis=axis)
    return _reduce(_weighted(normalizer - score, weights), reduction)


def binary_cross_entropy(
    inputs: mx.array,
    targets: mx.array,
    weights: Optional[mx.array] = None,
    with_logits: bool = True,
    reduction: Reduction = "mean",
) -> mx.array:
    """-(t log p + (1 - t) log(1 - p)) for p = sigmoid(inputs), or p = inputs without ``with_logits``.

    Logarithms of probabilities are kept above -100. Raises ValueError unless all shapes are the same.

    >>> binary_cross_entropy(mx.array([0.5, 2.0]), mx.array([1.0, 1.0]), reduction="none")
    array([0.474077, 0.126928], dtype=float32)
    """
    _same_shape("inputs", inputs, "targets", targets)
    if with_logits:
        loss = mx.logaddexp(0.0, inputs) - inputs * targets
    else:
        log_p = mx.clip(mx.log(inputs), a_min=-100, a_max=None)
        log_not_p = mx.clip(mx.log(1 - inputs), a_min=-100, a_max=None)
        loss = -(targets * log_p + (1 - targets) * log_not_p)
    return _reduce(_weighted(loss, weights), reduction)


def l1_loss(predictions: mx.array, targets: mx.array, reduction: Reduction = "mean") -> mx.array:
    """|predictions - targets|; ValueError unless the shapes are the same.

    >>> l1_loss(mx.array([0.5, 2.0]), mx.array([1.0, 1.0]), reduction="none")
    array([0.5, 1], dtype=float32)
    """
    _same_shape("predictions", predictions, "targets", targets)
    return _reduce(mx.abs(predictions - targets), reduction)


def mse_loss(predictions: mx.array, targets: mx.array, reduction: Reduction = "mean") -> mx.array:
    """(predictions - targets)^2; ValueError unless the shapes are the same.

    >>> mse_loss(mx.array([0.5, 2.0]), mx.array([1.0, 1.0]), reduction="none")
    array([0.25, 1], dtype=float32)
    """
    _same_shape("predictions", predictions, "targets", targets)
    return _reduce(mx.square(predictions - targets), reduction)


def nll_loss(inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none") -> mx.array:
    """Minus the log probability in ``inputs`` of the target classes; targets have the shape without ``axis``.

    >>> nll_loss(mx.log(mx.array([[0.5, 0.5]])), mx.array([1]))
    array([0.693147], dtype=float32)
    """
    picked = mx.take_along_axis(inputs, mx.expand_dims(targets, axis), axis=axis)
    return _reduce(-picked.squeeze(axis), reduction)


def gaussian_nll_loss(
    inputs: mx.array,
    targets: mx.array,
    vars: mx.array,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> mx.array:
    """(log v + (inputs - targets)^2 / v) / 2 for the variances v = max(vars, eps).

    With ``full`` the constant log(2 pi) / 2 is added. Raises ValueError unless all shapes are the same.

    >>> gaussian_nll_loss(mx.array([0.0]), mx.array([1.0]), mx.array([1.0]))
    array(0.5, dtype=float32)
    """
    _same_shape("inputs", inputs, "targets", targets)
    _same_shape("inputs", inputs, "vars", vars)
    var = mx.maximum(vars, eps)
    loss = 0.5 * (mx.log(var) + mx.square(targets - inputs) / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduce(loss, reduction)


def kl_div_loss(inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none") -> mx.array:
    """The divergence of log probabilities ``inputs`` from log probabilities ``targets``, summed over ``axis``.

    >>> kl_div_loss(mx.log(mx.array([[0.5, 0.5]])), mx.log(mx.array([[0.9, 0.1]])))
    array([0.368064], dtype=float32)
    """
    return _reduce(mx.sum(mx.exp(targets) * (targets - inputs), axis=axis), reduction)


def smooth_l1_loss(
    predictions: mx.array, targets: mx.array, beta: float = 1.0, reduction: Reduction = "mean"
) -> mx.array:
    """d^2 / (2 beta) for differences d below ``beta``, else d - beta / 2 (Girshick 2015, arXiv:1504.08083).

    Raises ValueError unless the shapes are the same.

    >>> smooth_l1_loss(mx.array([0.5, 2.0]), mx.array([1.0, 1.0]), reduction="none")
    array([0.125, 0.5], dtype=float32)
    """
    _same_shape("predictions", predictions, "targets", targets)
    if beta == 0:
        return l1_loss(predictions, targets, reduction)
    diff = mx.abs(predictions - targets)
    return _reduce(mx.where(diff < beta, 0.5 * mx.square(diff) / beta, diff - 0.5 * beta), reduction)


def triplet_loss(
    anchors: mx.array,
    positives: mx.array,
    negatives: mx.array,
    axis: int = -1,
    p: int = 2,
    margin: float = 1.0,
    eps: float = 1e-6,
    reduction: Reduction = "none",
) -> mx.array:
    """max(|a - p|_p - |a - n|_p + margin, 0) along ``axis``; eps keeps the root differentiable at 0.

    >>> triplet_loss(mx.array([[0.0]]), mx.array([[1.0]]), mx.array([[3.0]]))
    array([0], dtype=float32)
    """

    def distance(x, y):
        return mx.power(mx.sum(mx.power(mx.abs(x - y), p), axis=axis) + eps, 1 / p)

    loss = mx.maximum(distance(anchors, positives) - distance(anchors, negatives) + margin, 0)
    return _reduce(loss, reduction)


def hinge_loss(inputs: mx.array, targets: mx.array, reduction: Reduction = "none") -> mx.array:
    """max(0, 1 - inputs * targets), with targets -1 or 1.

    >>> hinge_loss(mx.array([0.5, 2.0]), mx.array([1.0, 1.0]), reduction="none")
    array([0.5, 0], dtype=float32)
    """
    return _reduce(mx.maximum(1 - inputs * targets, 0), reduction)


def huber_loss(inputs: mx.array, targets: mx.array, delta: float = 1.0, reduction: Reduction = "none") -> mx.array:
    """d^2 / 2 for differences d up to ``delta``, else delta * (d - delta / 2) (Huber 1964).

    >>> huber_loss(mx.array([0.5, 2.0]), mx.array([1.0, 1.0]), reduction="none")
    array([0.125, 0.5], dtype=float32)
    """
    diff = mx.abs(inputs - targets)
    return _reduce(mx.where(diff <= delta, 0.5 * mx.square(diff), delta * (diff - 0.5 * delta)), reduction)


def log_cosh_loss(inputs: mx.array, targets: mx.array, reduction: Reduction = "none") -> mx.array:
    """log cosh(inputs - targets), without overflow.

    >>> log_cosh_loss(mx.array([0.5, 2.0]), mx.array([1.0, 1.0]), reduction="none")
    array([0.120115, 0.433781], dtype=float32)
    """
    diff = inputs - targets
    return _reduce(mx.logaddexp(diff, -diff) - math.log(2), reduction)


def cosine_similarity_loss(
    x1: mx.array, x2: mx.array, axis: int = 1, eps: float = 1e-8, reduction: Reduction = "none"
) -> mx.array:
    """x1 . x2 / max(|x1| |x2|, eps) along ``axis``: the similarity itself, 1 for vectors of the same direction.

    >>> cosine_similarity_loss(mx.array([[1.0, 0.0]]), mx.array([[1.0, 1.0]]))
    array([0.707107], dtype=float32)
    """
    norms = mx.linalg.norm(x1, axis=axis) * mx.linalg.norm(x2, axis=axis)
    return _reduce(mx.sum(x1 * x2, axis=axis) / mx.maximum(norms, eps), reduction)


def margin_ranking_loss(
    inputs1: mx.array, inputs2: mx.array, targets: mx.array, margin: float = 0.0, reduction: Reduction = "none"
) -> mx.array:
    """max(0, margin - targets * (inputs1 - inputs2)); targets are 1 where inputs1 should be higher, else -1.

    Raises ValueError unless all shapes are the same.

    >>> margin_ranking_loss(mx.array([1.0]), mx.array([2.0]), mx.array([1.0]))
    array([1], dtype=float32)
    """
    _same_shape("inputs1", inputs1, "inputs2", inputs2)
    _same_shape("inputs1", inputs1, "targets", targets)
    return _reduce(mx.maximum(0, -targets * (inputs1 - inputs2) + margin), reduction)
