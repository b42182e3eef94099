"""Upsampling of (N, ..., C) along its spatial axes.

Every mode is separable: along one axis each output is a weighted sum of a few inputs, its taps. So an axis is done at
a time, and the three modes and their antialiased forms differ only in the taps.
"""

import math
from functools import lru_cache
from typing import Literal, Tuple, Union

import uma.core as mx

from .base import Module


def _linear_kernel(x):
    return max(0.0, 1 - abs(x))


def _cubic_kernel(x, a):
    """Keys' cubic convolution (1981); a = -0.75 is OpenCV's choice, -0.5 Pillow's."""
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    if x < 2:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return 0.0


def _positions(size, scale, align_corners):
    """Where each output lies on the axis of the inputs, whose centres are the integers.

    The outputs lie 1 / scale apart around the middle of the inputs.
    """
    outputs = int(scale * size)
    if align_corners:
        step = (size - 1) / (outputs - 1) if outputs > 1 else 0.0
        return [i * step for i in range(outputs)]
    first = ((outputs - 1) / scale - (size - 1)) / 2
    return [i / scale - first for i in range(outputs)]


@lru_cache(maxsize=128)
def _taps(size, scale, mode, align_corners, antialias):
    """(indices, weights): for each tap a tuple with an entry for each output."""
    radius = 1 if mode == "linear" else 2
    # the filter widens where the signal shrinks, so that nothing above the new Nyquist frequency passes
    stretch = max(1.0, 1 / scale) if antialias else 1.0
    a = -0.5 if antialias else -0.75
    rows = []
    for position in _positions(size, scale, align_corners):
        if mode == "linear" and not antialias:
            position = min(max(position, 0.0), size - 1.0)
        first = math.floor(position - radius * stretch) + 1
        count = math.ceil(2 * radius * stretch) + (1 if antialias else 0)
        row = []
        for i in range(first, first + count):
            x = (position - i) / stretch
            weight = _linear_kernel(x) if mode == "linear" else _cubic_kernel(x, a)
            if antialias and not 0 <= i < size:
                weight = 0.0
            row.append((min(max(i, 0), size - 1), weight))
        if antialias:
            total = sum(weight for _, weight in row)
            row = [(i, weight / total) for i, weight in row]
        rows.append(row)
    taps = list(zip(*rows))
    return [tuple(i for i, _ in tap) for tap in taps], [tuple(w for _, w in tap) for tap in taps]


def _resample(x, axis, scale, mode, align_corners, antialias):
    size = x.shape[axis]
    outputs = int(scale * size)
    if outputs < 1:
        raise ValueError(f"[Upsample] the scale {scale} leaves nothing of axis {axis} with size {size}")
    indices, weights = _taps(size, scale, mode, align_corners, antialias)
    shape = [1] * x.ndim
    shape[axis] = outputs
    total = None
    for index, weight in zip(indices, weights):
        part = mx.take(x, mx.array(index, dtype=mx.uint32), axis=axis) * mx.array(weight).reshape(shape)
        total = part if total is None else total + part
    return total


def _interpolate(x, scale_factor, mode, align_corners, antialias):
    if antialias and align_corners:
        raise ValueError("[Upsample] antialias=True needs align_corners=False")
    _check_scales(x, scale_factor)
    for axis, scale in enumerate(scale_factor, start=1):
        x = _resample(x, axis, float(scale), mode, align_corners, antialias)
    return x


def _check_scales(x, scale_factor):
    if len(scale_factor) != x.ndim - 2:
        raise ValueError(
            f"[Upsample] one scale for each spatial axis is needed: {tuple(scale_factor)} for the input "
            f"{tuple(x.shape)}"
        )


def _nearest_indices(size, outputs):
    """For each output its input: where it shrinks the first of its share, where it grows the one nearest in centre."""
    i = mx.arange(outputs, dtype=mx.float32)
    if outputs < size:
        index = mx.floor(i * (size / outputs))
    else:
        index = mx.round((i + 0.5) * (size / outputs) - 0.5)
    return mx.clip(index, 0, size - 1).astype(mx.uint32)


def upsample_nearest(x: mx.array, scale_factor: Tuple):
    """Repeat the nearest input; keeps the dtype. ``scale_factor`` has one number for each spatial axis."""
    _check_scales(x, scale_factor)
    if all(int(scale) == scale and scale >= 1 for scale in scale_factor):
        # whole factors are a broadcast
        shape, wide = [x.shape[0]], [x.shape[0]]
        for size, scale in zip(x.shape[1:-1], scale_factor):
            shape += [size, 1]
            wide += [size, int(scale)]
        target = [x.shape[0], *(n * int(s) for n, s in zip(x.shape[1:-1], scale_factor)), x.shape[-1]]
        return mx.broadcast_to(x.reshape(*shape, x.shape[-1]), (*wide, x.shape[-1])).reshape(target)
    for axis, scale in enumerate(scale_factor, start=1):
        size = x.shape[axis]
        outputs = int(scale * size)
        if outputs < 1:
            raise ValueError(f"[Upsample] the scale {scale} leaves nothing of axis {axis} with size {size}")
        x = mx.take(x, _nearest_indices(size, outputs), axis=axis)
    return x


def upsample_linear(x: mx.array, scale_factor: Tuple, align_corners: bool = False, antialias: bool = False):
    """Linear (bilinear, trilinear, ...) interpolation; the result is float32."""
    return _interpolate(x, scale_factor, "linear", align_corners, antialias)


def upsample_cubic(x: mx.array, scale_factor: Tuple, align_corners: bool = False, antialias: bool = False):
    """Cubic (bicubic, ...) interpolation; the result is float32."""
    return _interpolate(x, scale_factor, "cubic", align_corners, antialias)


class Upsample(Module):
    """Scale the spatial axes of (N, ..., C) by ``scale_factor``, a number or one for each axis.

    ``mode`` is "nearest", "linear" or "cubic". With ``align_corners`` the outermost outputs lie on the outermost
    inputs. ``antialias`` filters what a scale below 1 would alias, as PyTorch does (and takes the cubic kernel with
    a = -0.5); it needs linear or cubic and no ``align_corners``. Raises ValueError otherwise, for an unknown mode,
    for fewer than 3 dimensions and for the wrong number of scales.

    >>> import uma.core as mx, uma.nn as nn
    >>> nn.Upsample(2, mode="nearest")(mx.array([[[1], [2]]])).tolist()
    [[[1], [1], [2], [2]]]
    """

    def __init__(
        self,
        scale_factor: Union[float, Tuple],
        mode: Literal["nearest", "linear", "cubic"] = "nearest",
        align_corners: bool = False,
        antialias: bool = False,
    ):
        super().__init__()
        if mode not in ("nearest", "linear", "cubic"):
            raise ValueError(f"[Upsample] mode must be nearest, linear or cubic, not {mode!r}")
        if antialias and mode == "nearest":
            raise ValueError("[Upsample] antialias=True needs mode linear or cubic, not nearest")
        if antialias and align_corners:
            raise ValueError("[Upsample] antialias=True needs align_corners=False")
        if isinstance(scale_factor, (list, tuple)):
            self.scale_factor = tuple(map(float, scale_factor))
        else:
            self.scale_factor = float(scale_factor)
        self.mode = mode
        self.align_corners = align_corners
        self.antialias = antialias

    def _extra_repr(self) -> str:
        text = f"scale_factor={self.scale_factor}, mode={self.mode!r}, align_corners={self.align_corners}"
        return text + (", antialias=True" if self.antialias else "")

    def __call__(self, x: mx.array) -> mx.array:
        axes = x.ndim - 2
        if axes < 1:
            raise ValueError(f"[Upsample] the input must have at least 3 dimensions (N, ..., C), not {x.ndim}")
        scales = self.scale_factor if isinstance(self.scale_factor, tuple) else (self.scale_factor,) * axes
        if self.mode == "nearest":
            return upsample_nearest(x, scales)
        return _interpolate(x, scales, self.mode, self.align_corners, self.antialias)
