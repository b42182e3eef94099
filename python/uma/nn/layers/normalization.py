"""Normalizations: shift and scale values to mean 0 and variance 1 over some axes, then by learned weights."""

from typing import Tuple

import uma.core as mx

from .base import Module


class _Norm(Module):
    """What the normalizations share: the learned affine map."""

    def _make_affine(self, dims):
        self.weight = mx.ones((dims,))
        self.bias = mx.zeros((dims,))

    def _affine(self, x):
        return self.weight * x + self.bias if "weight" in self else x


def _standardize(x, axes, eps):
    mean = mx.mean(x, axis=axes, keepdims=True)
    var = mx.var(x, axis=axes, keepdims=True)
    return (x - mean) * mx.rsqrt(var + eps)


class InstanceNorm(_Norm):
    """Each channel of each example over its spatial positions (Ulyanov et al. 2016, arXiv:1607.08022).

    shapes   x (N, ..., dims) with at least 3 dimensions -> the same; with ``affine`` weight and bias (dims,)
    Raises ValueError for fewer dimensions.
    """

    def __init__(self, dims: int, eps: float = 1e-5, affine: bool = False):
        super().__init__()
        if affine:
            self._make_affine(dims)
        self.dims = dims
        self.eps = eps

    def _extra_repr(self):
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        if x.ndim < 3:
            raise ValueError(
                f"[InstanceNorm] the input must have at least 3 dimensions (N, ..., C), not {x.ndim}: there is "
                "nothing to normalize over"
            )
        return self._affine(_standardize(x, tuple(range(1, x.ndim - 1)), self.eps))


class LayerNorm(_Norm):
    """The last axis of each position (Ba et al. 2016, arXiv:1607.06450); statistics are in float32.

    shapes   x (..., dims) -> the same; with ``affine`` weight (dims,), with ``bias`` too bias (dims,)
    """

    def __init__(self, dims: int, eps: float = 1e-5, affine: bool = True, bias: bool = True):
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            if bias:
                self.bias = mx.zeros((dims,))
        self.eps = eps
        self.dims = dims

    def _extra_repr(self):
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x):
        return mx.fast.layer_norm(x, self.get("weight"), self.get("bias"), self.eps)


class RMSNorm(Module):
    """The last axis by its root mean square, without a shift (Zhang and Sennrich 2019, arXiv:1910.07467).

    shapes   x (..., dims) -> the same; weight (dims,); the mean is in float32
    """

    def __init__(self, dims: int, eps: float = 1e-5):
        super().__init__()
        self.weight = mx.ones((dims,))
        self.eps = eps

    def _extra_repr(self):
        return f"{self.weight.shape[0]}, eps={self.eps}"

    def __call__(self, x):
        return mx.fast.rms_norm(x, self["weight"], self.eps)


class GroupNorm(_Norm):
    """Groups of channels over all spatial positions of an example (Wu and He 2018, arXiv:1803.08494).

    shapes   x (N, ..., dims) -> the same; with ``affine`` weight and bias (dims,)
    Channel ``c`` is in group ``c % num_groups``, or with ``pytorch_compatible`` in group
    ``c // (dims / num_groups)``. Raises ValueError if num_groups does not divide dims.
    """

    def __init__(
        self,
        num_groups: int,
        dims: int,
        eps: float = 1e-5,
        affine: bool = True,
        pytorch_compatible: bool = False,
    ):
        super().__init__()
        if num_groups < 1 or dims % num_groups != 0:
            raise ValueError(f"[GroupNorm] dims ({dims}) must be divisible by num_groups ({num_groups})")
        if affine:
            self.bias = mx.zeros((dims,))
            self.weight = mx.ones((dims,))
        self.num_groups = num_groups
        self.dims = dims
        self.eps = eps
        self.pytorch_compatible = pytorch_compatible

    def _extra_repr(self):
        return (
            f"{self.num_groups}, {self.dims}, eps={self.eps}, affine={'weight' in self}, "
            f"pytorch_compatible={self.pytorch_compatible}"
        )

    def __call__(self, x):
        batch, *spatial, dims = x.shape
        if self.pytorch_compatible:
            groups = mx.swapaxes(x.reshape(batch, -1, self.num_groups, dims // self.num_groups), 1, 2)
            normal = mx.fast.layer_norm(groups.reshape(batch, self.num_groups, -1), None, None, self.eps)
            normal = mx.swapaxes(normal.reshape(groups.shape), 1, 2)
        else:
            normal = _standardize(x.reshape(batch, -1, self.num_groups), (1,), self.eps)
        return self._affine(normal.reshape(x.shape))


class BatchNorm(_Norm):
    """Each channel over the batch and the spatial positions (Ioffe and Szegedy 2015, arXiv:1502.03167).

    shapes   x (N, C), (N, L, C) or (N, H, W, C) -> the same; with ``affine`` weight and bias (C,); with
             ``track_running_stats`` running_mean and running_var (C,), which are never trained
    In training the batch's own statistics are used and the running ones become
    ``(1 - momentum) * running + momentum * batch``, with the unbiased variance; in evaluation the running ones are
    used. Raises ValueError for another rank, and in training for a single value per channel.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        if affine:
            self._make_affine(num_features)
        if track_running_stats:
            self.running_mean = mx.zeros((num_features,))
            self.running_var = mx.ones((num_features,))
            self.freeze(keys=["running_mean", "running_var"], recurse=False)

    def unfreeze(self, *args, **kwargs):
        """As Module.unfreeze, but the running statistics stay frozen."""
        super().unfreeze(*args, **kwargs)
        return self.freeze(keys=["running_mean", "running_var"], recurse=False)

    def _extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={'weight' in self}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _calc_stats(self, x: mx.array, ddof: int = 0) -> Tuple[mx.array, mx.array]:
        """Mean and variance of each channel."""
        axes = tuple(range(x.ndim - 1))
        return mx.mean(x, axis=axes), mx.var(x, axis=axes, ddof=ddof)

    def __call__(self, x: mx.array) -> mx.array:
        if not 2 <= x.ndim <= 4:
            raise ValueError(f"[BatchNorm] the input must have 2, 3 or 4 dimensions, not {x.ndim}")
        if not self.training and self.track_running_stats:
            mean, var = self.running_mean, self.running_var
        else:
            count = x.size // x.shape[-1] if x.shape[-1] else 0
            if self.training and count < 2:
                raise ValueError(
                    f"[BatchNorm] training needs more than one value for each channel, the input {tuple(x.shape)} "
                    f"has {count}"
                )
            mean, var = self._calc_stats(x)
            if self.training and self.track_running_stats:
                mu = self.momentum
                unbiased = var * (count / (count - 1))
                self.running_mean = (1 - mu) * self.running_mean + mu * mean
                self.running_var = (1 - mu) * self.running_var + mu * unbiased
        return self._affine((x - mean) * mx.rsqrt(var + self.eps))
