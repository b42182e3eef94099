"""Attention and the Transformer of Vaswani et al. 2017, arXiv:1706.03762."""

import math
from typing import Any, Callable, Optional

import uma.core as mx

from .activations import relu
from .base import Module
from .dropout import Dropout
from .linear import Linear
from .normalization import LayerNorm


class MultiHeadAttention(Module):
    """Scaled dot-product attention in ``num_heads`` subspaces, with projections before and after.

    shapes   queries (N, Q, query_input_dims), keys (N, K, key_input_dims), values (N, K, value_input_dims)
             -> (N, Q, value_output_dims); mask additive or boolean, broadcast to (N, num_heads, Q, K)
    Dims that are not given are ``dims`` (value_input_dims: key_input_dims). Raises ValueError if num_heads does not
    divide dims or value_dims.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        query_input_dims: Optional[int] = None,
        key_input_dims: Optional[int] = None,
        value_input_dims: Optional[int] = None,
        value_dims: Optional[int] = None,
        value_output_dims: Optional[int] = None,
        bias: bool = False,
    ):
        super().__init__()
        query_input_dims = query_input_dims or dims
        key_input_dims = key_input_dims or dims
        value_input_dims = value_input_dims or key_input_dims
        value_dims = value_dims or dims
        value_output_dims = value_output_dims or dims
        for name, size in (("dims", dims), ("value_dims", value_dims)):
            if size % num_heads != 0:
                raise ValueError(f"[MultiHeadAttention] {name} ({size}) must be divisible by num_heads ({num_heads})")
        self.num_heads = num_heads
        self.query_proj = Linear(query_input_dims, dims, bias=bias)
        self.key_proj = Linear(key_input_dims, dims, bias=bias)
        self.value_proj = Linear(value_input_dims, value_dims, bias=bias)
        self.out_proj = Linear(value_dims, value_output_dims, bias=bias)

    def __call__(self, queries, keys, values, mask=None):
        def heads(x):
            return mx.swapaxes(mx.unflatten(x, -1, (self.num_heads, -1)), 1, 2)

        q = heads(self.query_proj(queries))
        k = heads(self.key_proj(keys))
        v = heads(self.value_proj(values))
        y = mx.fast.scaled_dot_product_attention(q, k, v, scale=1 / math.sqrt(q.shape[-1]), mask=mask)
        return self.out_proj(mx.flatten(mx.swapaxes(y, 1, 2), -2))

    @staticmethod
    def create_additive_causal_mask(N: int, dtype: mx.Dtype = mx.float32):
        """A mask (N, N): the lowest finite value where the key comes after the query, else 0."""
        position = mx.arange(N)
        future = mx.expand_dims(position, 1) < mx.expand_dims(position, 0)
        return future.astype(dtype) * mx.finfo(dtype).min


class _Block(Module):
    """What a layer is made of: attentions and a perceptron, each with a norm, a dropout and a residual, which is
    x + f(norm(x)), or norm(x + f(x)) where the norm does not come first."""

    _attentions = ()

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: Optional[int] = None,
        dropout: float = 0.0,
        activation: Callable[[Any], Any] = relu,
        norm_first: bool = True,
    ):
        super().__init__()
        mlp_dims = mlp_dims or dims * 4
        for name in self._attentions:
            setattr(self, name, MultiHeadAttention(dims, num_heads))
        residuals = range(1, len(self._attentions) + 2)
        for i in residuals:
            setattr(self, f"ln{i}", LayerNorm(dims))
        self.linear1 = Linear(dims, mlp_dims)
        self.linear2 = Linear(mlp_dims, dims)
        for i in residuals:
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = activation
        self.norm_first = norm_first

    def _residual(self, x, norm, f):
        return x + f(norm(x)) if self.norm_first else norm(x + f(x))

    def _mlp(self, x, dropout):
        return self.linear2(dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Block):
    """Self-attention and a two-layer perceptron (4 * dims wide if mlp_dims is not given), each with a residual.

    shapes   x (N, L, dims) -> the same; mask as in MultiHeadAttention
    """

    _attentions = ("attention",)

    def __call__(self, x, mask):
        x = self._residual(x, self.ln1, lambda y: self.dropout1(self.attention(y, y, y, mask)))
        return self._residual(x, self.ln2, lambda y: self._mlp(y, self.dropout2))


class _Stack(Module):
    """Layers, one after the other, and a norm at the end."""

    _layer = None

    def __init__(
        self,
        num_layers: int,
        dims: int,
        num_heads: int,
        mlp_dims: Optional[int] = None,
        dropout: float = 0.0,
        activation=relu,
        norm_first: bool = True,
        checkpoint: bool = False,
    ):
        super().__init__()
        settings = (dims, num_heads, mlp_dims, dropout, activation, norm_first)
        self.layers = [self._layer(*settings) for _ in range(num_layers)]
        self.ln = LayerNorm(dims)
        self.checkpoint = checkpoint

    def _run(self, x, *args):
        from ..utils import checkpoint  # late: utils knows Module, this file is one of its layers

        for layer in self.layers:
            x = (checkpoint(layer) if self.checkpoint else layer)(x, *args)
        return self.ln(x)


class TransformerEncoder(_Stack):
    """``num_layers`` encoder layers and a LayerNorm; with ``checkpoint`` a layer is computed again for its gradient."""

    _layer = TransformerEncoderLayer

    def __call__(self, x, mask):
        return self._run(x, mask)


class TransformerDecoderLayer(_Block):
    """Self-attention, attention to the encoder's output, and a two-layer perceptron, each with a residual.

    shapes   x (N, L, dims), memory (N, M, dims) -> (N, L, dims); masks as in MultiHeadAttention
    """

    _attentions = ("self_attention", "cross_attention")

    def __call__(self, x, memory, x_mask, memory_mask):
        x = self._residual(x, self.ln1, lambda y: self.dropout1(self.self_attention(y, y, y, x_mask)))
        x = self._residual(x, self.ln2, lambda y: self.dropout2(self.cross_attention(y, memory, memory, memory_mask)))
        return self._residual(x, self.ln3, lambda y: self._mlp(y, self.dropout3))


class TransformerDecoder(_Stack):
    """``num_layers`` decoder layers and a LayerNorm; with ``checkpoint`` a layer is computed again for its gradient."""

    _layer = TransformerDecoderLayer

    def __call__(self, x, memory, x_mask, memory_mask):
        return self._run(x, memory, x_mask, memory_mask)


class Transformer(Module):
    """An encoder and a decoder that attends to its output; either may be replaced by a module of one's own.

    shapes   src (N, S, dims), tgt (N, T, dims) -> (N, T, dims); masks as in MultiHeadAttention, or None
    """

    def __init__(
        self,
        dims: int = 512,
        num_heads: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        mlp_dims: Optional[int] = None,
        dropout: float = 0.0,
        activation: Callable[[Any], Any] = relu,
        custom_encoder: Optional[Any] = None,
        custom_decoder: Optional[Any] = None,
        norm_first: bool = True,
        checkpoint: bool = False,
    ):
        super().__init__()
        common = (dims, num_heads, mlp_dims, dropout, activation, norm_first, checkpoint)
        self.encoder = custom_encoder or TransformerEncoder(num_encoder_layers, *common)
        self.decoder = custom_decoder or TransformerDecoder(num_decoder_layers, *common)

    def __call__(self, src, tgt, src_mask, tgt_mask, memory_mask):
        memory = self.encoder(src, src_mask)
        return self.decoder(tgt, memory, tgt_mask, memory_mask)
