"""Transposed convolutions with the channels last: the gradients of convolutions, used to upsample."""

from typing import Union

import uma.core as mx

from .convolution import ConvolutionBase


class _ConvTranspose(ConvolutionBase):
    _behind = ("output_padding",)

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
        self._build(in_channels, out_channels, kernel_size, stride, padding, dilation, bias)
        self.output_padding = self._sizes(output_padding, "output_padding")

    def _extra_repr(self):
        return (
            f"{self.weight.shape[-1]}, {self.weight.shape[0]}, kernel_size={self._kernel()}, stride={self.stride}, "
            f"padding={self.padding}, dilation={self.dilation}, output_padding={self.output_padding}, "
            f"bias={'bias' in self}"
        )


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over a sequence.

    shapes   x (N, L, in_channels) -> (N, L', out_channels) with
             L' = (L - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1;
             weight (out_channels, kernel_size, in_channels), bias (out_channels,)
    """

    _function = staticmethod(mx.conv_transpose1d)
    _axes = 1


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution over an image.

    shapes   x (N, H, W, in_channels) -> (N, H', W', out_channels), sizes as in ConvTranspose1d;
             weight (out_channels, *kernel_size, in_channels), bias (out_channels,)
    """

    _function = staticmethod(mx.conv_transpose2d)
    _axes = 2


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution over a volume.

    shapes   x (N, D, H, W, in_channels) -> (N, D', H', W', out_channels), sizes as in ConvTranspose1d;
             weight (out_channels, *kernel_size, in_channels), bias (out_channels,)
    """

    _function = staticmethod(mx.conv_transpose3d)
    _axes = 3
