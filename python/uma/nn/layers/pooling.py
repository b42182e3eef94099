"""Pooling: the maximum or mean of a window that slides over the spatial axes of (N, ..., C)."""

import math
from typing import Optional, Tuple, Union

import uma.core as mx

from .base import Module


def _window_view(x, window, strides):
    """Windows of the spatial axes: (N, *out, *window, C), without a copy where ``x`` is contiguous."""
    batch, *spatial, channels = x.shape
    out = [(size - w) // s + 1 for size, w, s in zip(spatial, window, strides)]
    if any(size < w for size, w in zip(spatial, window)):
        raise ValueError(f"the window {tuple(window)} is larger than the padded input {tuple(spatial)}")

    if list(window) == list(strides):
        # windows that touch and do not overlap are a reshape, whose gradient is one too
        cut = tuple(slice(o * w) for o, w in zip(out, window))
        shape = [batch] + [n for pair in zip(out, window) for n in pair] + [channels]
        dims = len(window)
        order = [0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2), 2 * dims + 1]
        return x[(slice(None), *cut)].reshape(shape).transpose(order)

    steps = [math.prod(x.shape[i + 1 :]) for i in range(x.ndim)]
    inner = steps[1:-1]
    return mx.as_strided(
        x,
        shape=(batch, *out, *window, channels),
        strides=(steps[0], *(step * s for step, s in zip(inner, strides)), *inner, 1),
    )


class _Pool(Module):
    """Pads, views the windows and reduces them; the subclasses say what and over how many axes."""

    _dims = 0
    _pad_low = False  # pad with the lowest value instead of zero

    def __init__(self, pooling_function, kernel_size, stride, padding):
        super().__init__()
        n = self._dims
        stride = kernel_size if stride is None else stride
        self._pooling_function = pooling_function
        self._kernel_size = self._sizes(kernel_size, "kernel_size", least=1)
        self._stride = self._sizes(stride, "stride", least=1)
        self._padding = [(p, p) for p in self._sizes(0 if padding is None else padding, "padding", least=0)]
        self._axes = tuple(range(-n - 1, -1))

    def _sizes(self, value, name, least):
        n = self._dims
        sizes = [value] * n if isinstance(value, int) else value
        if not isinstance(sizes, (list, tuple)) or len(sizes) != n or not all(isinstance(s, int) for s in sizes):
            raise ValueError(f"[{type(self).__name__}] {name} must be an integer or {n} of them, not {value!r}")
        if any(s < least for s in sizes):
            raise ValueError(f"[{type(self).__name__}] {name} must be at least {least}, not {value!r}")
        return list(sizes)

    def _extra_repr(self):
        padding = tuple(p for p, _ in self._padding)
        return f"kernel_size={tuple(self._kernel_size)}, stride={tuple(self._stride)}, padding={padding}"

    def _padding_value(self, dtype):
        if not self._pad_low or dtype == mx.bool_:
            return 0
        return -math.inf if mx.issubdtype(dtype, mx.floating) else mx.iinfo(dtype).min

    def __call__(self, x):
        n = self._dims
        if x.ndim != n + 2:
            raise ValueError(
                f"[{type(self).__name__}] the input must have {n + 2} dimensions (N, {n} spatial, C), not {x.ndim}"
            )
        if any(p for p, _ in self._padding):
            x = mx.pad(x, [(0, 0), *self._padding, (0, 0)], constant_values=self._padding_value(x.dtype))
        try:
            windows = _window_view(x, self._kernel_size, self._stride)
        except ValueError as error:
            raise ValueError(f"[{type(self).__name__}] {error}") from None
        return self._pooling_function(windows, axis=self._axes)


class _MaxPool(_Pool):
    _pad_low = True

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__(mx.max, kernel_size, stride, padding)


class _AvgPool(_Pool):
    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__(mx.mean, kernel_size, stride, padding)


_One = Union[int, Tuple[int]]
_Two = Union[int, Tuple[int, int]]
_Three = Union[int, Tuple[int, int, int]]


class MaxPool1d(_MaxPool):
    """The maximum of each window of a sequence; padding is minus infinity (or the lowest integer).

    shapes   x (N, L, C) -> (N, (L + 2 * padding - kernel_size) // stride + 1, C); stride is kernel_size if not given
    Raises ValueError for sizes that are not integers, another rank, and a window larger than the input.
    """

    _dims = 1

    def __init__(self, kernel_size: _One, stride: Optional[_One] = None, padding: _One = 0):
        super().__init__(kernel_size, stride, padding)


class AvgPool1d(_AvgPool):
    """The mean of each window of a sequence, padding zeros included; shapes and errors as MaxPool1d."""

    _dims = 1

    def __init__(self, kernel_size: _One, stride: Optional[_One] = None, padding: _One = 0):
        super().__init__(kernel_size, stride, padding)


class MaxPool2d(_MaxPool):
    """The maximum of each window of images (N, H, W, C); sizes are an integer or two; else as MaxPool1d."""

    _dims = 2

    def __init__(self, kernel_size: _Two, stride: Optional[_Two] = None, padding: Optional[_Two] = 0):
        super().__init__(kernel_size, stride, padding)


class AvgPool2d(_AvgPool):
    """The mean of each window of images (N, H, W, C); sizes are an integer or two; else as AvgPool1d."""

    _dims = 2

    def __init__(self, kernel_size: _Two, stride: Optional[_Two] = None, padding: Optional[_Two] = 0):
        super().__init__(kernel_size, stride, padding)


class MaxPool3d(_MaxPool):
    """The maximum of each window of volumes (N, D, H, W, C); sizes are an integer or three; else as MaxPool1d."""

    _dims = 3

    def __init__(self, kernel_size: _Three, stride: Optional[_Three] = None, padding: Optional[_Three] = 0):
        super().__init__(kernel_size, stride, padding)


class AvgPool3d(_AvgPool):
    """The mean of each window of volumes (N, D, H, W, C); sizes are an integer or three; else as AvgPool1d."""

    _dims = 3

    def __init__(self, kernel_size: _Three, stride: Optional[_Three] = None, padding: Optional[_Three] = 0):
        super().__init__(kernel_size, stride, padding)
