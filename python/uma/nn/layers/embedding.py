"""Look-up tables."""

import math
from typing import Optional

import uma.core as mx

from .base import Module
from .quantized import QuantizedEmbedding


class Embedding(Module):
    """Row ``i`` of ``weight`` for each integer ``i``.

    shapes   integers (...) -> (..., dims); weight (num_embeddings, dims) from N(0, 1 / dims)
    """

    def __init__(self, num_embeddings: int, dims: int):
        super().__init__()
        self.weight = mx.random.normal(shape=(num_embeddings, dims), scale=math.sqrt(1 / dims))

    def _extra_repr(self):
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"

    def __call__(self, x):
        return self["weight"][x]

    def as_linear(self, x):
        """``x @ weight.T``: the output projection of a model that ties it to its input embedding."""
        return x @ self["weight"].T

    def to_quantized(
        self,
        group_size: Optional[int] = None,
        bits: Optional[int] = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ):
        """A QuantizedEmbedding near this layer; ValueError with ``quantize_input``: the input is integers."""
        if quantize_input:
            raise ValueError("[to_quantized] an embedding has no input to quantize: quantize_input must be False")
        return QuantizedEmbedding.from_embedding(self, group_size, bits, mode=mode)
