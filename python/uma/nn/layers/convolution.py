"""Convolutions with the channels last, as in (N, H, W, C)."""

import math
from typing import Union

import uma.core as mx

from .base import Module


def per_axis(value, n, owner, name):
    """``value`` as a tuple of ``n``; ValueError if it is a sequence of another length."""
    if isinstance(value, int):
        return (value,) * n
    value = tuple(value)
    if len(value) != n:
        raise ValueError(f"[{owner}] {name} must be an integer or {n} integers, not {value}")
    return value


def conv_weights(in_channels, out_channels, kernel, groups=1):
    """Filters (out_channels, *kernel, in_channels / groups) from U(-k, k) with k = 1 / sqrt(inputs of an output)."""
    channels = in_channels // groups
    bound = math.sqrt(1 / (channels * math.prod(kernel)))
    return mx.random.uniform(low=-bound, high=bound, shape=(out_channels, *kernel, channels))


def check_groups(owner, in_channels, groups):
    if groups < 1 or in_channels % groups != 0:
        raise ValueError(f"[{owner}] in_channels ({in_channels}) must be divisible by groups ({groups})")


class _Conv(Module):
    """What the convolutions share: the printed form and the call."""

    def _extra_repr(self):
        _, *kernel, channels = self.weight.shape
        groups = getattr(self, "groups", None)
        kernel = kernel[0] if len(kernel) == 1 else tuple(kernel)
        return (
            f"{channels * (groups or 1)}, {self.weight.shape[0]}, kernel_size={kernel}, stride={self.stride}, "
            f"padding={self.padding}, dilation={self.dilation}, "
            + (f"groups={groups}, " if groups is not None else "")
            + f"bias={'bias' in self}"
        )

    def _convolve(self, convolution, x, *args):
        y = convolution(x, self.weight, self.stride, self.padding, self.dilation, *args)
        return y + self.bias if "bias" in self else y


class Conv1d(_Conv):
    """Convolution over a sequence.

    shapes   x (N, L, in_channels) -> (N, L', out_channels);
             weight (out_channels, kernel_size, in_channels / groups), bias (out_channels,)
    start    weight from U(-k, k) with k = 1 / sqrt(in_channels / groups * kernel_size), bias zero
    Raises ValueError if groups does not divide in_channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ):
        super().__init__()
        check_groups("Conv1d", in_channels, groups)
        self.weight = conv_weights(in_channels, out_channels, (kernel_size,), groups)
        if bias:
            self.bias = mx.zeros((out_channels,))
        self.padding = padding
        self.dilation = dilation
        self.stride = stride
        self.groups = groups

    def __call__(self, x):
        return self._convolve(mx.conv1d, x, self.groups)


class Conv2d(_Conv):
    """Convolution over an image.

    shapes   x (N, H, W, in_channels) -> (N, H', W', out_channels);
             weight (out_channels, *kernel_size, in_channels / groups), bias (out_channels,)
    start    weight from U(-k, k) with k = 1 / sqrt(in_channels / groups * kernel area), bias zero
    Sizes are an integer or one for each of (H, W). Raises ValueError if groups does not divide in_channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Union[int, tuple],
        stride: Union[int, tuple] = 1,
        padding: Union[int, tuple] = 0,
        dilation: Union[int, tuple] = 1,
        groups: int = 1,
        bias: bool = True,
    ):
        super().__init__()
        check_groups("Conv2d", in_channels, groups)
        kernel = per_axis(kernel_size, 2, "Conv2d", "kernel_size")
        self.weight = conv_weights(in_channels, out_channels, kernel, groups)
        if bias:
            self.bias = mx.zeros((out_channels,))
        self.padding = per_axis(padding, 2, "Conv2d", "padding")
        self.stride = per_axis(stride, 2, "Conv2d", "stride")
        self.dilation = dilation
        self.groups = groups

    def __call__(self, x):
        return self._convolve(mx.conv2d, x, self.groups)


class Conv3d(_Conv):
    """Convolution over a volume.

    shapes   x (N, D, H, W, in_channels) -> (N, D', H', W', out_channels);
             weight (out_channels, *kernel_size, in_channels), bias (out_channels,)
    start    weight from U(-k, k) with k = 1 / sqrt(in_channels * kernel volume), bias zero
    Sizes are an integer or one for each of (D, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Union[int, tuple],
        stride: Union[int, tuple] = 1,
        padding: Union[int, tuple] = 0,
        dilation: Union[int, tuple] = 1,
        bias: bool = True,
    ):
        super().__init__()
        kernel = per_axis(kernel_size, 3, "Conv3d", "kernel_size")
        self.weight = conv_weights(in_channels, out_channels, kernel)
        if bias:
            self.bias = mx.zeros((out_channels,))
        self.padding = per_axis(padding, 3, "Conv3d", "padding")
        self.stride = per_axis(stride, 3, "Conv3d", "stride")
        self.dilation = dilation

    def __call__(self, x):
        return self._convolve(mx.conv3d, x)
