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


class ConvolutionBase(Module):
    """What all convolutions share: the parameters and the call. A class names its function of uma.core, the number
    of its axes, and what that function takes behind the dilation."""

    _function = None
    _axes = 1
    _behind = ()

    def _build(self, in_channels, out_channels, kernel_size, stride, padding, dilation, bias, groups=1):
        owner = type(self).__name__
        kernel = per_axis(kernel_size, self._axes, owner, "kernel_size")
        check_groups(owner, in_channels, groups)
        self.weight = conv_weights(in_channels, out_channels, kernel, groups)
        if bias:
            self.bias = mx.zeros((out_channels,))
        self.padding = self._sizes(padding, "padding")
        self.stride = self._sizes(stride, "stride")
        self.dilation = dilation

    def _sizes(self, value, name):
        return value if self._axes == 1 else per_axis(value, self._axes, type(self).__name__, name)

    def _kernel(self):
        """As it is printed."""
        _, *kernel, _ = self.weight.shape
        return kernel[0] if len(kernel) == 1 else tuple(kernel)

    def __call__(self, x):
        behind = [getattr(self, name) for name in self._behind]
        y = self._function(x, self.weight, self.stride, self.padding, self.dilation, *behind)
        return y + self.bias if "bias" in self else y


class _Conv(ConvolutionBase):
    def _extra_repr(self):
        groups = getattr(self, "groups", None)
        return (
            f"{self.weight.shape[-1] * (groups or 1)}, {self.weight.shape[0]}, kernel_size={self._kernel()}, "
            f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            + (f"groups={groups}, " if groups is not None else "")
            + f"bias={'bias' in self}"
        )


class _GroupedConv(_Conv):
    _behind = ("groups",)

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
        self._build(in_channels, out_channels, kernel_size, stride, padding, dilation, bias, groups)
        self.groups = groups


class Conv1d(_GroupedConv):
    """Convolution over a sequence.

    shapes   x (N, L, in_channels) -> (N, L', out_channels);
             weight (out_channels, kernel_size, in_channels / groups), bias (out_channels,)
    start    weight from U(-k, k) with k = 1 / sqrt(in_channels / groups * kernel_size), bias zero
    Raises ValueError if groups does not divide in_channels.
    """

    _function = staticmethod(mx.conv1d)
    _axes = 1


class Conv2d(_GroupedConv):
    """Convolution over an image.

    shapes   x (N, H, W, in_channels) -> (N, H', W', out_channels);
             weight (out_channels, *kernel_size, in_channels / groups), bias (out_channels,)
    start    weight from U(-k, k) with k = 1 / sqrt(in_channels / groups * kernel area), bias zero
    Sizes are an integer or one for each of (H, W). Raises ValueError if groups does not divide in_channels.
    """

    _function = staticmethod(mx.conv2d)
    _axes = 2


class Conv3d(_Conv):
    """Convolution over a volume.

    shapes   x (N, D, H, W, in_channels) -> (N, D', H', W', out_channels);
             weight (out_channels, *kernel_size, in_channels), bias (out_channels,)
    start    weight from U(-k, k) with k = 1 / sqrt(in_channels * kernel volume), bias zero
    Sizes are an integer or one for each of (D, H, W).
    """

    _function = staticmethod(mx.conv3d)
    _axes = 3

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
        self._build(in_channels, out_channels, kernel_size, stride, padding, dilation, bias)
