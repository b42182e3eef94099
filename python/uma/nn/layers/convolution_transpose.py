"""Transposed convolutions with the channels last: the gradients of convolutions, used to upsample."""

from typing import Union

import uma.core as mx

from .base import Module
from .convolution import conv_weights, per_axis


class _ConvTranspose(Module):
    """What the transposed convolutions share: the printed form and the call."""

    def _extra_repr(self):
        out_channels, *kernel, in_channels = self.weight.shape
        kernel = kernel[0] if len(kernel) == 1 else tuple(kernel)
        return (
            f"{in_channels}, {out_channels}, kernel_size={kernel}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, output_padding={self.output_padding}, bias={'bias' in self}"
        )

    def _convolve(self, convolution, x):
        y = convolution(x, self.weight, self.stride, self.padding, self.dilation, self.output_padding)
        return y + self.bias if "bias" in self else y


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over a sequence.

    shapes   x (N, L, in_channels) -> (N, L', out_channels) with
             L' = (L - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1;
             weight (out_channels, kernel_size, in_channels), bias (out_channels,)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        output_padding: int = 0,
        bias: bool = True,
    ):
        super().__init__()
        self.weight = conv_weights(in_channels, out_channels, (kernel_size,))
        if bias:
            self.bias = mx.zeros((out_channels,))
        self.padding = padding
        self.dilation = dilation
        self.stride = stride
        self.output_padding = output_padding

    def __call__(self, x):
        return self._convolve(mx.conv_transpose1d, x)


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution over an image.

    shapes   x (N, H, W, in_channels) -> (N, H', W', out_channels), sizes as in ConvTranspose1d;
             weight (out_channels, *kernel_size, in_channels), bias (out_channels,)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Union[int, tuple],
        stride: Union[int, tuple] = 1,
        padding: Union[int, tuple] = 0,
        dilation: Union[int, tuple] = 1,
        output_padding: Union[int, tuple] = 0,
        bias: bool = True,
    ):
        super().__init__()
        kernel = per_axis(kernel_size, 2, "ConvTranspose2d", "kernel_size")
        self.weight = conv_weights(in_channels, out_channels, kernel)
        if bias:
            self.bias = mx.zeros((out_channels,))
        self.padding = per_axis(padding, 2, "ConvTranspose2d", "padding")
        self.stride = per_axis(stride, 2, "ConvTranspose2d", "stride")
        self.output_padding = per_axis(output_padding, 2, "ConvTranspose2d", "output_padding")
        self.dilation = dilation

    def __call__(self, x):
        return self._convolve(mx.conv_transpose2d, x)


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution over a volume.

    shapes   x (N, D, H, W, in_channels) -> (N, D', H', W', out_channels), sizes as in ConvTranspose1d;
             weight (out_channels, *kernel_size, in_channels), bias (out_channels,)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Union[int, tuple],
        stride: Union[int, tuple] = 1,
        padding: Union[int, tuple] = 0,
        dilation: Union[int, tuple] = 1,
        output_padding: Union[int, tuple] = 0,
        bias: bool = True,
    ):
        super().__init__()
        kernel = per_axis(kernel_size, 3, "ConvTranspose3d", "kernel_size")
        self.weight = conv_weights(in_channels, out_channels, kernel)
        if bias:
            self.bias = mx.zeros((out_channels,))
        self.padding = per_axis(padding, 3, "ConvTranspose3d", "padding")
        self.stride = per_axis(stride, 3, "ConvTranspose3d", "stride")
        self.output_padding = per_axis(output_padding, 3, "ConvTranspose3d", "output_padding")
        self.dilation = dilation

    def __call__(self, x):
        return self._convolve(mx.conv_transpose3d, x)
