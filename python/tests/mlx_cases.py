"""One expression in two libraries: the value, the dtype and the class of the error must agree.

An expression is Python source over `mx` (the library), `np`, and the arrays of `inputs`. Where MLX is not
installed such a case skips; tests beside it compare with NumPy in any case.
"""
import numpy as np
import pytest
import uma.core as um

try:
    import mlx.core as mlx
except ImportError:
    mlx = None

needs_mlx = pytest.mark.skipif(mlx is None, reason="MLX is not installed")


def inputs(mx):
    f = mx.arange(24).astype(mx.float32) * 0.5 - 3
    return {
        "mx": mx,
        "np": np,
        "a": mx.arange(6).reshape(2, 3),
        "b": mx.array([[True, False], [True, True]]),
        "c": mx.array([1 + 2j, 2, -1j]),
        "i8": mx.array([1, 2, 3], dtype=mx.int8),
        "u8": mx.array([250, 3, 7], dtype=mx.uint8),
        "h": mx.array([1.0, 2.0], dtype=mx.float16),
        "f": f.reshape(2, 3, 4),
        "t": f.reshape(4, 6).T,
        "s": f[::-2],
        "w": mx.broadcast_to(mx.array([1.0, -2.0, 0.5]), (4, 3)),
        "z": mx.array(2.5),
        "e": mx.zeros((0, 3)),
        "n": mx.array([3.0, float("nan"), -float("inf"), 1.0, float("inf"), 1.0]),
    }


def dtype_name(d):
    name = str(d).split(".")[-1]
    return {"bool_": "bool"}.get(name, name)


def plain(mx, value):
    """The value as nested tuples of (dtype, array) and Python values."""
    if isinstance(value, mx.array):
        name = dtype_name(value.dtype)
        return (name, np.array(value.astype(mx.float32) if name == "bfloat16" else value))
    if isinstance(value, mx.Dtype):
        return dtype_name(value)
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *[plain(mx, v) for v in value])
    if isinstance(value, dict):
        return {k: plain(mx, v) for k, v in value.items()}
    return value


def outcome(mx, expression):
    try:
        return plain(mx, eval(expression, inputs(mx)))
    except Exception as e:
        return e


def assert_same(a, b, rtol, atol, where):
    assert type(a) is type(b), f"{where}: {a!r} and {b!r}"
    if isinstance(a, np.ndarray):
        assert a.shape == b.shape, f"{where}: shapes {a.shape} and {b.shape}"
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, equal_nan=True, err_msg=where)
    elif isinstance(a, tuple):
        assert len(a) == len(b), f"{where}: {len(a)} and {len(b)} results"
        for x, y in zip(a, b):
            assert_same(x, y, rtol, atol, where)
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for k in a:
            assert_same(a[k], b[k], rtol, atol, where)
    elif isinstance(a, Exception):
        pass  # the class is the same; the sentences are ours
    else:
        assert a == b, f"{where}: {a!r} and {b!r}"


def check_same(expression, rtol=1e-5, atol=1e-6):
    ours, theirs = outcome(um, expression), outcome(mlx, expression)
    if isinstance(ours, Exception) != isinstance(theirs, Exception):
        raise AssertionError(f"{expression}: {ours!r} and {theirs!r}")
    assert_same(ours, theirs, rtol, atol, expression)


def raised(expression):
    """The exception of an expression, for errors that MLX does not have, or has in another class."""
    result = outcome(um, expression)
    assert isinstance(result, Exception), f"{expression} gives {result!r}"
    return result
