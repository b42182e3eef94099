"""Layers that hold a shard of their weights in each process of a group.

Tensor parallelism (Shoeybi et al. 2019, arXiv:1909.08053): a matrix is sharded, and the activations before or after
it. ``fully_shard`` is the other way, see fully_sharded.py.
"""

import math
from functools import lru_cache
from typing import Callable, Optional, Union

import uma.core as mx
from uma.utils import tree_map_with_path

from .base import Module
from .fully_sharded import FullyShardedModule, fully_shard  # noqa: F401 - MLX has them here
from .linear import uniform_weights
from .quantized import _Quantized


@lru_cache
def sum_gradients(group):
    """The identity, whose gradient is summed over ``group``."""
    if group.size() == 1:
        return lambda x: x

    @mx.custom_function
    def identity(x):
        return x

    @identity.vjp
    def identity_vjp(x, cotangent, _):
        return mx.distributed.all_sum(cotangent, group=group)

    return identity


def _segments_of(weight, segments, axis):
    """Split ``axis`` into equal segments, or at the given positions: indices, or fractions of its size."""
    if not isinstance(segments, int):
        size = weight.shape[axis]
        segments = [int(s * size) if isinstance(s, float) else s for s in segments]
    return mx.split(weight, segments, axis=axis)


def _shard(parameters: dict, sharding_predicate: Callable, group: Optional[mx.distributed.Group] = None):
    """The tree with this process's part of each array: the ``rank``-th part of each segment, joined."""
    group = group or mx.distributed.init()
    size, rank = group.size(), group.rank()

    def part(path, weight):
        if not isinstance(weight, mx.array):
            return weight
        choice = sharding_predicate(path, weight)
        if choice is None:
            return weight
        axis, segments = (choice, 1) if isinstance(choice, int) else choice
        pieces = [mx.split(s, size, axis=axis)[rank] for s in _segments_of(weight, segments, axis)]
        return mx.contiguous(pieces[0] if len(pieces) == 1 else mx.concatenate(pieces, axis=axis))

    return tree_map_with_path(part, parameters)


def _all_to_sharded(segments):
    """Shard the outputs: rows of a matrix (or of each expert's), and the bias."""

    def predicate(path, weight):
        return (-1 if path.endswith("bias") else max(weight.ndim - 2, 0)), segments

    return predicate


def _sharded_to_all(segments):
    """Shard the inputs: columns; the bias is added to the sum and stays whole."""

    def predicate(path, weight):
        return None if path.endswith("bias") else (-1, segments)

    return predicate


_PREDICATES = {"all-to-sharded": _all_to_sharded, "sharded-to-all": _sharded_to_all}


def _check_sharding(sharding):
    if sharding not in _PREDICATES:
        raise ValueError(f"[shard] sharding must be one of {', '.join(_PREDICATES)}, not {sharding!r}")


def shard_inplace(
    module: Module,
    sharding: Union[str, Callable],
    *,
    segments: Union[int, list] = 1,
    group: Optional[mx.distributed.Group] = None,
):
    """Keep this process's shard of each parameter of ``module``; what it computes does not change by itself.

    ``sharding`` is "all-to-sharded", "sharded-to-all", or a function of path and array that returns the axis, or
    (axis, segments), or None. A fused matrix (such as QKV) has ``segments`` that are sharded one by one: their
    number, or where they begin. Raises ValueError for another ``sharding`` and for sizes that do not divide.
    """
    if isinstance(sharding, str):
        _check_sharding(sharding)
        sharding = _PREDICATES[sharding](segments)
    module.update(_shard(module.parameters(), sharding, group))


def shard_linear(
    module: Module,
    sharding: str,
    *,
    segments: Union[int, list] = 1,
    group: Optional[mx.distributed.Group] = None,
):
    """A new layer that holds this process's shard of a Linear or QuantizedLinear and communicates as needed.

    Raises ValueError for a ``sharding`` other than "all-to-sharded" and "sharded-to-all".
    """
    _check_sharding(sharding)
    options = {"segments": segments, "group": group}
    to_sharded = sharding == "all-to-sharded"
    if "scales" in module:
        kind = QuantizedAllToShardedLinear if to_sharded else QuantizedShardedToAllLinear
        return kind.from_quantized_linear(module, **options)
    return (AllToShardedLinear if to_sharded else ShardedToAllLinear).from_linear(module, **options)


class _ShardedLinear(Module):
    """What the sharded layers share. A class says which side of the matrix (output, input) is divided."""

    _predicate = None
    _side = 0

    def _join(self, input_dims, output_dims, group):
        """Extents (rows, columns) of this process's part of the matrix."""
        self.group = group or mx.distributed.init()
        extents, size = [output_dims, input_dims], self.group.size()
        if extents[self._side] % size != 0:
            what = ("output", "input")[self._side]
            raise ValueError(
                f"[shard] the {what} of size {extents[self._side]} cannot be divided among {size} processes"
            )
        extents[self._side] //= size
        return tuple(extents)

    def _dims_repr(self, rows, columns):
        extents = [rows, columns]
        extents[self._side] *= self.group.size()
        return f"input_dims={extents[1]}, output_dims={extents[0]}, bias={'bias' in self}"

    def _fill_from(self, layer, segments, group):
        self.update(_shard(layer.parameters(), type(self)._predicate(segments), group))
        return self


class _ShardedFloatLinear(_ShardedLinear):
    """Those that are made from a Linear."""

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group: Optional[mx.distributed.Group] = None,
    ):
        super().__init__()
        rows, columns = self._join(input_dims, output_dims, group)
        bound = math.sqrt(1 / input_dims)
        (self.weight,) = uniform_weights(bound, (rows, columns))
        if bias:
            (self.bias,) = uniform_weights(bound, (rows,))

    def _extra_repr(self) -> str:
        return self._dims_repr(*self.weight.shape)

    @classmethod
    def from_linear(
        cls,
        linear_layer: Module,
        *,
        segments: Union[int, list] = 1,
        group: Optional[mx.distributed.Group] = None,
    ):
        """This process's shard of a Linear; ``segments`` as in ``shard_inplace``."""
        group = group or mx.distributed.init()
        output_dims, input_dims = linear_layer.weight.shape
        layer = cls(input_dims, output_dims, "bias" in linear_layer, group)
        return layer._fill_from(linear_layer, segments, group)


class AllToShardedLinear(_ShardedFloatLinear):
    """Each process has some rows of the matrix: all get the same input, each gives its part of the output.

    shapes   x (..., input_dims) -> (..., output_dims / processes); weight (output_dims / processes, input_dims)
    Gradients by the input are summed over the group. Raises ValueError if the group's size does not divide
    output_dims.
    """

    _predicate = staticmethod(_all_to_sharded)
    _side = 0

    def __call__(self, x: mx.array) -> mx.array:
        x = sum_gradients(self.group)(x)
        if "bias" in self:
            return mx.addmm(self["bias"], x, self["weight"].T)
        return x @ self["weight"].T


class ShardedToAllLinear(_ShardedFloatLinear):
    """Each process has some columns of the matrix and that part of the input; all get the sum as output.

    shapes   x (..., input_dims / processes) -> (..., output_dims); weight (output_dims, input_dims / processes),
             bias (output_dims,)
    Raises ValueError if the group's size does not divide input_dims.
    """

    _predicate = staticmethod(_sharded_to_all)
    _side = 1

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.distributed.all_sum(x @ self["weight"].T, group=self.group)
        return y + self["bias"] if "bias" in self else y


class _QuantizedShardedLinear(_Quantized, _ShardedLinear):
    """What the quantized sharded layers share: always frozen, made from a QuantizedLinear."""

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int = 64,
        bits: int = 4,
        mode: str = "affine",
        group: Optional[mx.distributed.Group] = None,
    ):
        super().__init__()
        self._settings(mode, group_size, bits)
        rows, columns = self._join(input_dims, output_dims, group)
        bound = math.sqrt(1 / input_dims)
        self._store(mx.random.uniform(low=-bound, high=bound, shape=(rows, columns)))
        if bias:
            self.bias = mx.zeros((rows,))
        self.freeze()

    def _extra_repr(self) -> str:
        dims = self._dims_repr(self.weight.shape[0], self._input_dims())
        return f"{dims}, group_size={self.group_size}, bits={self.bits}, mode={self.mode}"

    def unfreeze(self, *args, **kwargs):
        """As Module.unfreeze, but this layer's own arrays stay frozen."""
        super().unfreeze(*args, **kwargs)
        return self.freeze(recurse=False)

    @classmethod
    def from_quantized_linear(
        cls,
        quantized_linear_layer: Module,
        *,
        segments: Union[int, list] = 1,
        group: Optional[mx.distributed.Group] = None,
    ):
        """This process's shard of a QuantizedLinear; ``segments`` as in ``shard_inplace``."""
        source, group = quantized_linear_layer, group or mx.distributed.init()
        layer = cls(
            source.weight.shape[-1] * 32 // source.bits,
            source.weight.shape[0],
            "bias" in source,
            group_size=source.group_size,
            bits=source.bits,
            mode=getattr(source, "mode", "affine"),
            group=group,
        )
        return layer._fill_from(source, segments, group)


class QuantizedAllToShardedLinear(_QuantizedShardedLinear):
    """AllToShardedLinear with a quantized matrix, frozen."""

    _predicate = staticmethod(_all_to_sharded)
    _side = 0

    def __call__(self, x: mx.array) -> mx.array:
        y = self._multiply(sum_gradients(self.group)(x))
        return y + self["bias"] if "bias" in self else y


class QuantizedShardedToAllLinear(_QuantizedShardedLinear):
    """ShardedToAllLinear with a quantized matrix, frozen."""

    _predicate = staticmethod(_sharded_to_all)
    _side = 1

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.distributed.all_sum(self._multiply(x), group=self.group)
        return y + self["bias"] if "bias" in self else y
