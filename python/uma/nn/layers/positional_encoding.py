"""Position: rotary, sinusoidal, and linear attention biases."""

import math
from typing import Optional

import uma.core as mx

from .base import Module


class RoPE(Module):
    """Rotate pairs of features by angles that grow with the position (Su et al. 2021, arXiv:2104.09864).

    shapes   x (..., L, D) with D >= dims -> the same; features from ``dims`` on stay
    Pairs are (i, i + dims / 2), or with ``traditional`` (2 i, 2 i + 1); position p turns pair i by
    ``scale * (p + offset) / base ** (2 i / dims)``. ``offset`` is an integer, or an array with one for each sequence.
    """

    def __init__(self, dims: int, traditional: bool = False, base: float = 10000, scale: float = 1.0):
        super().__init__()
        self.dims = dims
        self.traditional = traditional
        self.base = base
        self.scale = scale

    def _extra_repr(self):
        return f"{self.dims}, traditional={self.traditional}"

    def __call__(self, x, offset: int = 0):
        return mx.fast.rope(x, self.dims, traditional=self.traditional, base=self.base, scale=self.scale, offset=offset)


class SinusoidalPositionalEncoding(Module):
    """Sines and cosines of the position at ``dims / 2`` frequencies (Vaswani et al. 2017, arXiv:1706.03762).

    shapes   x (...) -> (..., dims): all sines, then all cosines (``cos_first`` swaps them), times ``scale``
    The frequencies go geometrically from ``max_freq`` to ``min_freq``, times 2 pi with ``full_turns``; ``scale`` is
    sqrt(2 / dims) if not given. Raises ValueError unless dims is positive and even.
    """

    def __init__(
        self,
        dims: int,
        min_freq: float = 0.0001,
        max_freq: float = 1,
        scale: Optional[float] = None,
        cos_first: bool = False,
        full_turns: bool = False,
    ):
        super().__init__()
        if dims <= 0 or dims % 2 != 0:
            raise ValueError(f"[SinusoidalPositionalEncoding] dims must be positive and even, not {dims}")
        half = dims // 2
        low, high = math.log(min_freq), math.log(max_freq)
        # from high to low; one frequency alone is the highest
        fraction = 1 - mx.arange(half) / max(half - 1, 1)
        sigmas = mx.exp(fraction * (high - low) + low)
        # the underscore keeps it out of parameters()
        self._sigmas = sigmas * (2 * math.pi) if full_turns else sigmas
        self.scale = math.sqrt(2 / dims) if scale is None else scale
        self.cos_first = cos_first

    def __call__(self, x):
        angles = mx.expand_dims(x, -1) * self._sigmas
        parts = [mx.sin(angles), mx.cos(angles)]
        y = mx.concatenate(parts[::-1] if self.cos_first else parts, axis=-1)
        return y * self.scale if self.scale != 1 else y


class ALiBi(Module):
    """Lower attention scores in proportion to the distance of query and key (Press et al. 2021, arXiv:2108.12409).

    shapes   scores (N, heads, Q, K) -> the same; a ``mask`` is added too
    """

    @staticmethod
    def create_alibi_matrix(
        q_sequence_length: int,
        k_sequence_length: int,
        num_heads: int,
        offset: int = 0,
        dtype: mx.Dtype = mx.float32,
    ) -> mx.array:
        """The biases (1, num_heads, q_sequence_length - offset, k_sequence_length) of queries ``offset`` and on."""
        queries = mx.arange(offset, q_sequence_length)
        keys = mx.arange(k_sequence_length)
        distance = -mx.abs(mx.expand_dims(queries, 1) - mx.expand_dims(keys, 0))
        slope = ALiBi.create_alibi_slope(num_heads)
        return (mx.expand_dims(distance, (0, 1)) * slope).astype(dtype)

    @staticmethod
    def create_alibi_slope(num_heads: int, dtype: mx.Dtype = mx.float32) -> mx.array:
        """The slopes (num_heads, 1, 1): for a power of two 2 ** (-8 / num_heads) and its powers down to 2 ** -8.

        For other numbers the slopes of the power of two below, then every second one of the power above.
        """
        if num_heads < 1:
            raise ValueError(f"[ALiBi] num_heads must be positive, not {num_heads}")

        def powers(n):
            return [2 ** (-8 * (i + 1) / n) for i in range(n)]

        below = 2 ** (num_heads.bit_length() - 1)
        slopes = powers(below) + powers(2 * below)[0::2][: num_heads - below]
        return mx.array(slopes, dtype=dtype).reshape(num_heads, 1, 1)

    def __call__(self, attention_scores: mx.array, offset: int = 0, mask: Optional[mx.array] = None) -> mx.array:
        bias = ALiBi.create_alibi_matrix(
            q_sequence_length=attention_scores.shape[-2] + offset,
            k_sequence_length=attention_scores.shape[-1],
            num_heads=attention_scores.shape[1],
            offset=offset,
            dtype=attention_scores.dtype,
        )
        return attention_scores + (bias if mask is None else bias + mask)
