"""Affine and bilinear maps."""

import math
from typing import Any, Optional

import uma.core as mx

from .base import Module
from .quantized import QQLinear, QuantizedLinear


def uniform_weights(bound, *shapes):
    """An array from U(-bound, bound) for each shape, drawn in order."""
    return [mx.random.uniform(low=-bound, high=bound, shape=shape) for shape in shapes]


class Identity(Module):
    """Returns its input; takes and ignores any arguments at construction."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def __call__(self, x: mx.array) -> mx.array:
        return x


class Linear(Module):
    r""":math:`y = x W^\top + b`.

    shapes   x (..., input_dims) -> (..., output_dims); weight (output_dims, input_dims), bias (output_dims,)
    start    both from U(-k, k) with k = 1 / sqrt(input_dims)
    """

    def __init__(self, input_dims: int, output_dims: int, bias: bool = True) -> None:
        super().__init__()
        bound = math.sqrt(1 / input_dims)
        (self.weight,) = uniform_weights(bound, (output_dims, input_dims))
        if bias:
            (self.bias,) = uniform_weights(bound, (output_dims,))

    def _extra_repr(self) -> str:
        output_dims, input_dims = self.weight.shape
        return f"input_dims={input_dims}, output_dims={output_dims}, bias={'bias' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        if "bias" in self:
            return mx.addmm(self["bias"], x, self["weight"].T)
        return x @ self["weight"].T

    def to_quantized(
        self,
        group_size: Optional[int] = None,
        bits: Optional[int] = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ):
        """A QuantizedLinear near this layer, or with ``quantize_input`` a QQLinear (modes nvfp4 and mxfp8 only).

        Raises ValueError for another mode with ``quantize_input``.
        """
        if not quantize_input:
            return QuantizedLinear.from_linear(self, group_size, bits, mode=mode)
        if mode not in ("nvfp4", "mxfp8"):
            raise ValueError(f"[to_quantized] quantized inputs need the mode nvfp4 or mxfp8, not {mode!r}")
        return QQLinear.from_linear(self, group_size, bits, mode=mode)


class Bilinear(Module):
    r""":math:`y_i = x_2^\top W_i x_1 + b_i`.

    shapes   x1 (..., input1_dims), x2 (..., input2_dims) -> (..., output_dims);
             weight (output_dims, input2_dims, input1_dims), bias (output_dims,)
    start    both from U(-k, k) with k = 1 / sqrt(input1_dims)
    """

    def __init__(self, input1_dims: int, input2_dims: int, output_dims: int, bias: bool = True) -> None:
        super().__init__()
        bound = math.sqrt(1 / input1_dims)
        (self.weight,) = uniform_weights(bound, (output_dims, input2_dims, input1_dims))
        if bias:
            (self.bias,) = uniform_weights(bound, (output_dims,))

    def _extra_repr(self) -> str:
        output_dims, input2_dims, input1_dims = self.weight.shape
        return f"input1_dims={input1_dims}, input2_dims={input2_dims}, output_dims={output_dims}, bias={'bias' in self}"

    def __call__(self, x1: mx.array, x2: mx.array) -> mx.array:
        output_dims, input2_dims, input1_dims = self.weight.shape
        # one product for all outputs: (..., in1) @ (in1, out * in2), then x2 against each row
        mixed = (x1 @ self.weight.reshape(output_dims * input2_dims, input1_dims).T).reshape(
            *x1.shape[:-1], output_dims, input2_dims
        )
        y = (mixed @ mx.expand_dims(x2, -1)).squeeze(-1)
        return y + self.bias if "bias" in self else y
