"""Layers whose weights are quantized, and ``quantize``, which turns a model's layers into them."""

import math
from typing import Callable, Optional, Union

import uma.core as mx
from uma.utils import tree_map_with_path

from .base import Module

#: mode -> (group size, bits) if they are not given
_DEFAULTS = {"affine": (64, 4), "mxfp4": (32, 4), "nvfp4": (16, 4), "mxfp8": (32, 8)}


def _with_defaults(mode, group_size, bits):
    if mode not in _DEFAULTS:
        raise ValueError(f"[quantize] the mode must be one of {', '.join(_DEFAULTS)}, not {mode!r}")
    default_group_size, default_bits = _DEFAULTS[mode]
    return default_group_size if group_size is None else group_size, default_bits if bits is None else bits


def quantize(
    model: Module,
    group_size: int = None,
    bits: int = None,
    *,
    mode: str = "affine",
    quantize_input: bool = False,
    class_predicate: Optional[Callable[[str, Module], Union[bool, dict]]] = None,
):
    """Replace in place each submodule that has ``to_quantized`` by what that returns.

    ``class_predicate(path, module)`` chooses: False keeps a module, True quantizes it with the arguments given here,
    a dict gives it its own. By default all that can be are quantized. ``quantize_input`` is for Linear in the modes
    nvfp4 and mxfp8. Raises ValueError for a chosen module that has no ``to_quantized`` and for a predicate that
    returns something else.
    """
    if class_predicate is None:

        def class_predicate(_, module):
            return hasattr(module, "to_quantized")

    def convert(path, module):
        choice = class_predicate(path, module)
        if not isinstance(choice, (bool, dict)):
            raise ValueError(
                f"[quantize] class_predicate must return a bool or a dict, not {type(choice).__name__} for {path!r}"
            )
        if choice is False:
            return module
        if not hasattr(module, "to_quantized"):
            raise ValueError(f"[quantize] {path!r} is a {type(module).__name__}, which has no to_quantized")
        if isinstance(choice, dict):
            return module.to_quantized(**choice)
        options = {"quantize_input": True} if quantize_input else {}
        return module.to_quantized(group_size=group_size, bits=bits, mode=mode, **options)

    leaves = model.leaf_modules()
    model.update_modules(tree_map_with_path(convert, leaves, is_leaf=Module.is_module))


class _Quantized(Module):
    """What quantized layers share: the settings, and the packed arrays with their length."""

    def _settings(self, mode, group_size, bits):
        self.group_size, self.bits = _with_defaults(mode, group_size, bits)
        self.mode = mode

    def _options(self):
        return {"group_size": self.group_size, "bits": self.bits, "mode": self.mode}

    def _store(self, weight):
        """Quantize; only the affine mode has biases."""
        self.weight, self.scales, *biases = mx.quantize(weight, **self._options())
        self.biases = biases[0] if biases else None

    def _multiply(self, x):
        return mx.quantized_matmul(
            x, self["weight"], scales=self["scales"], biases=self.get("biases"), transpose=True, **self._options()
        )

    def _input_dims(self):
        return self.weight.shape[-1] * 32 // self.bits


class QuantizedEmbedding(_Quantized):
    """An Embedding with quantized rows, frozen.

    shapes   integers (...) -> (..., dims); weight uint32 (num_embeddings, dims * bits / 32), scales and (affine)
             biases (num_embeddings, dims / group_size)
    """

    def __init__(self, num_embeddings: int, dims: int, group_size: int = None, bits: int = None, mode: str = "affine"):
        super().__init__()
        self._settings(mode, group_size, bits)
        self._store(mx.random.normal(shape=(num_embeddings, dims), scale=math.sqrt(1 / dims)))
        self.num_embeddings = num_embeddings
        self.dims = dims
        self.freeze()

    def __call__(self, x):
        biases = self.get("biases")
        return mx.dequantize(
            self["weight"][x],
            scales=self["scales"][x],
            biases=None if biases is None else biases[x],
            **self._options(),
        )

    def as_linear(self, x):
        """``x`` times the transposed table: the output projection of a model that ties it to its embedding."""
        return self._multiply(x)

    def _extra_repr(self):
        return f"{self.num_embeddings}, {self.dims}, group_size={self.group_size}, bits={self.bits}, mode={self.mode}"

    @classmethod
    def from_embedding(cls, embedding_layer: Module, group_size: int = None, bits: int = None, mode: str = "affine"):
        """The quantized form of an Embedding."""
        layer = cls._empty(mode, group_size, bits)
        layer.num_embeddings, layer.dims = embedding_layer.weight.shape
        layer._store(embedding_layer.weight)
        return layer.freeze()

    @classmethod
    def _empty(cls, mode, group_size, bits):
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._settings(mode, group_size, bits)
        return layer


class QuantizedLinear(_Quantized):
    """A Linear with a quantized matrix, frozen; the bias keeps its precision (and from ``from_linear`` is trained).

    shapes   x (..., input_dims) -> (..., output_dims); weight uint32 (output_dims, input_dims * bits / 32), scales
             and (affine) biases (output_dims, input_dims / group_size), bias (output_dims,)
    Raises ValueError for an unknown mode and if group_size does not divide input_dims.
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int = None,
        bits: int = None,
        mode: str = "affine",
    ):
        super().__init__()
        self._settings(mode, group_size, bits)
        bound = math.sqrt(1 / input_dims)
        self._store(mx.random.uniform(low=-bound, high=bound, shape=(output_dims, input_dims)))
        if bias:
            self.bias = mx.zeros((output_dims,))
        self.freeze()

    def _extra_repr(self):
        return (
            f"input_dims={self._input_dims()}, output_dims={self.weight.shape[0]}, bias={'bias' in self}, "
            f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"
        )

    def __call__(self, x):
        y = self._multiply(x)
        return y + self["bias"] if "bias" in self else y

    @classmethod
    def from_linear(cls, linear_layer: Module, group_size: int = None, bits: int = None, mode: str = "affine"):
        """The quantized form of a Linear."""
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._settings(mode, group_size, bits)
        layer._store(linear_layer.weight)
        layer.freeze()
        if "bias" in linear_layer:
            layer.bias = linear_layer.bias  # after freeze: it is not quantized, so it stays trainable
        return layer


class QQLinear(_Quantized):
    """A Linear without bias that quantizes its input as well as its weight, in the modes nvfp4 and mxfp8.

    In training the weight is kept whole and quantized on the fly, so it gets gradients; ``eval()`` packs it and
    ``train()`` unpacks it again.

    shapes   x (..., input_dims) -> (..., output_dims); weight (output_dims, input_dims), packed as in
             QuantizedLinear in evaluation mode, with scales
    """

    def __init__(
        self, input_dims: int, output_dims: int, group_size: int = None, bits: int = None, mode: str = "nvfp4"
    ):
        super().__init__()
        self._settings(mode, group_size, bits)
        bound = math.sqrt(1 / input_dims)
        self.weight = mx.random.uniform(low=-bound, high=bound, shape=(output_dims, input_dims))
        self._quantized = False

    def _extra_repr(self):
        input_dims = self._input_dims() if self._quantized else self.weight.shape[-1]
        return (
            f"input_dims={input_dims}, output_dims={self.weight.shape[0]}, group_size={self.group_size}, "
            f"bits={self.bits}, mode={self.mode}"
        )

    def quantize(self):
        """Pack the weight, if it is not packed."""
        if not self._quantized:
            self.weight, self.scales = mx.quantize(self.weight, **self._options())
            self._quantized = True

    def dequantize(self):
        """Unpack the weight, if it is packed: what quantization has rounded stays rounded."""
        if self._quantized:
            self.weight = mx.dequantize(self.weight, scales=self.scales, **self._options())
            del self.scales
            self._quantized = False

    def _set_training_mode(self, mode: bool):
        super()._set_training_mode(mode)
        if mode:
            self.dequantize()
        else:
            self.quantize()

    def __call__(self, x):
        return mx.qqmm(x, self["weight"], scales=self.get("scales"), **self._options())

    @classmethod
    def from_linear(cls, linear_layer: Module, group_size: int = None, bits: int = None, mode: str = "nvfp4"):
        """The form of a Linear that quantizes its input; NotImplementedError if that has a bias."""
        if "bias" in linear_layer:
            raise NotImplementedError(f"[QQLinear] a bias is not supported: {linear_layer!r} must have bias=False")
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._settings(mode, group_size, bits)
        layer.weight = linear_layer.weight
        layer._quantized = False
        layer.train(linear_layer.training)
        return layer
