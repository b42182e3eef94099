"""Initializers: each call here returns a function that takes an array and returns a new one of its shape.

>>> import uma.core as mx, uma.nn as nn
>>> nn.init.constant(0.5)(mx.zeros((2, 2))).tolist()
[[0.5, 0.5], [0.5, 0.5]]
"""

import math
from typing import Callable, Literal

import uma.core as mx


def constant(value: float, dtype: mx.Dtype = mx.float32) -> Callable[[mx.array], mx.array]:
    """Filled with ``value``.

    >>> constant(0.5)(mx.zeros((2,)))
    array([0.5, 0.5], dtype=float32)
    """
    return lambda a: mx.full(a.shape, value, dtype=dtype)


def normal(mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32) -> Callable[[mx.array], mx.array]:
    """From N(mean, std^2).

    >>> normal()(mx.zeros((4, 3))).shape
    (4, 3)
    """
    return lambda a: mx.random.normal(shape=a.shape, scale=std, loc=mean, dtype=dtype)


def uniform(low: float = 0.0, high: float = 1.0, dtype: mx.Dtype = mx.float32) -> Callable[[mx.array], mx.array]:
    """From U(low, high).

    >>> uniform()(mx.zeros((4, 3))).shape
    (4, 3)
    """
    return lambda a: mx.random.uniform(low, high, a.shape, dtype=dtype)


def identity(dtype: mx.Dtype = mx.float32) -> Callable[[mx.array], mx.array]:
    """The identity matrix; ValueError unless the array is a square matrix.

    >>> identity()(mx.zeros((2, 2)))
    array([[1, 0],
           [0, 1]], dtype=float32)
    """

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2 or a.shape[0] != a.shape[1]:
            raise ValueError(f"[init.identity] the array must be a square matrix, not {tuple(a.shape)}")
        return mx.eye(a.shape[0], dtype=dtype)

    return initializer


def _fans(a):
    """(fan in, fan out) of weights (out, *kernel, in)."""
    if a.ndim < 2:
        raise ValueError(f"[init] Glorot and He initialization need at least 2 dimensions, not {a.ndim}")
    kernel = math.prod(a.shape[1:-1])
    return a.shape[-1] * kernel, a.shape[0] * kernel


def _fan(a, mode):
    fans = dict(zip(("fan_in", "fan_out"), _fans(a)))
    if mode not in fans:
        raise ValueError(f"[init] mode must be fan_in or fan_out, not {mode!r}")
    return fans[mode]


def glorot_normal(dtype: mx.Dtype = mx.float32) -> Callable[[mx.array, float], mx.array]:
    """From N(0, s^2), s = gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    >>> glorot_normal()(mx.zeros((4, 3))).shape
    (4, 3)
    """

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        std = gain * math.sqrt(2 / sum(_fans(a)))
        return mx.random.normal(shape=a.shape, scale=std, dtype=dtype)

    return initializer


def glorot_uniform(dtype: mx.Dtype = mx.float32) -> Callable[[mx.array, float], mx.array]:
    """From U(-k, k), k = gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    >>> glorot_uniform()(mx.zeros((4, 3))).shape
    (4, 3)
    """

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        limit = gain * math.sqrt(6 / sum(_fans(a)))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def he_normal(
    dtype: mx.Dtype = mx.float32,
) -> Callable[[mx.array, Literal["fan_in", "fan_out"], float], mx.array]:
    """From N(0, s^2), s = gain / sqrt(fan) (He et al. 2015, arXiv:1502.01852).

    >>> he_normal()(mx.zeros((4, 3))).shape
    (4, 3)
    """

    def initializer(a: mx.array, mode: Literal["fan_in", "fan_out"] = "fan_in", gain: float = 1.0) -> mx.array:
        return mx.random.normal(shape=a.shape, scale=gain / math.sqrt(_fan(a, mode)), dtype=dtype)

    return initializer


def he_uniform(
    dtype: mx.Dtype = mx.float32,
) -> Callable[[mx.array, Literal["fan_in", "fan_out"], float], mx.array]:
    """From U(-k, k), k = gain * sqrt(3 / fan) (He et al. 2015, arXiv:1502.01852).

    >>> he_uniform()(mx.zeros((4, 3))).shape
    (4, 3)
    """

    def initializer(a: mx.array, mode: Literal["fan_in", "fan_out"] = "fan_in", gain: float = 1.0) -> mx.array:
        limit = gain * math.sqrt(3 / _fan(a, mode))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def sparse(
    sparsity: float, mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32
) -> Callable[[mx.array], mx.array]:
    """From N(mean, std^2) with the share ``sparsity`` of each row set to zero (Martens 2010).

    Raises ValueError unless the array is a matrix and 0 <= sparsity <= 1.

    >>> (sparse(0.5)(mx.zeros((4, 4))) == 0).sum()
    array(8, dtype=int32)
    """
    if not 0 <= sparsity <= 1:
        raise ValueError(f"[init.sparse] sparsity must be in [0, 1], not {sparsity}")

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError(f"[init.sparse] the array must have 2 dimensions, not {a.ndim}")
        rows, cols = a.shape
        zeros = int(math.ceil(sparsity * cols))
        order = mx.argsort(mx.random.uniform(shape=(rows, cols)), axis=1)
        values = mx.random.normal(shape=a.shape, scale=std, loc=mean, dtype=dtype)
        return mx.put_along_axis(values, order[:, :zeros], mx.zeros((1, 1), dtype=dtype), axis=1)

    return initializer


def orthogonal(gain: float = 1.0, dtype: mx.Dtype = mx.float32) -> Callable[[mx.array], mx.array]:
    """``gain`` times a random matrix with orthonormal rows or columns (Saxe et al. 2013, arXiv:1312.6120).

    Raises ValueError unless the array is a matrix.

    >>> q = orthogonal()(mx.zeros((2, 2)))
    >>> mx.allclose(q @ q.T, mx.eye(2), atol=1e-5)
    array(True, dtype=bool)
    """

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError(f"[init.orthogonal] the array must have 2 dimensions, not {a.ndim}")
        rows, cols = a.shape
        size = max(rows, cols)
        q, r = mx.linalg.qr(mx.random.normal((size, size)), stream=mx.cpu)
        # the signs of R's diagonal make Q uniform over all rotations (Mezzadri 2007)
        q = q * mx.sign(mx.diag(r))
        return (q[:rows, :cols] * gain).astype(dtype)

    return initializer
