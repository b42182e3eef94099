"""Random numbers: the same bits as MLX for the same key, and distributions that pass without it."""

import math
import threading

import numpy as np
import pytest

import uma.core as mx

try:
    import mlx.core as mlx

    mlx.set_default_device(mlx.cpu)
except ImportError:
    mlx = None

needs_mlx = pytest.mark.skipif(mlx is None, reason="mlx is not installed")
SHAPES = [(), (1,), (2,), (3,), (7,), (33,), (64, 3), (1001,), (0, 4), (2, 3, 5)]


def both(name, *args, **kwargs):
    """The function in uma and in MLX, with arrays and dtypes of either."""

    def convert(lib, v):
        if isinstance(v, np.ndarray):
            return lib.array(v)
        if isinstance(v, str) and hasattr(lib, v):
            return getattr(lib, v)
        return v

    out = []
    for lib in (mx, mlx):
        f = getattr(lib.random, name)
        kw = {k: convert(lib, v) for k, v in kwargs.items()}
        kw.setdefault("key", lib.random.key(17))
        a = f(*[convert(lib, v) for v in args], **kw)
        out.append((str(a.dtype).split(".")[-1], np.array(a.astype(lib.complex64 if "complex" in str(a.dtype) else lib.float64) if "float" in str(a.dtype) or "complex" in str(a.dtype) else a)))
    return out


def assert_same(ours, theirs, rtol=0):
    assert ours[0] == theirs[0]
    assert ours[1].shape == theirs[1].shape
    if rtol:
        np.testing.assert_allclose(ours[1], theirs[1], rtol=rtol, atol=rtol * 0.01)
    else:
        np.testing.assert_array_equal(ours[1], theirs[1])


@needs_mlx
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_uniform_has_the_bits_of_mlx(shape, dtype):
    assert_same(*both("uniform", shape=shape, dtype=dtype))
    assert_same(*both("uniform", -2.7, 3.1, shape=shape, dtype=dtype))


@needs_mlx
@pytest.mark.parametrize("n", [1000, 100001])
def test_uniform_between_arrays(n):
    low, high = np.linspace(-1, 1, n, dtype=np.float32), np.float32(7.3)
    assert_same(*both("uniform", low, np.array(high), shape=(3, n)))


@needs_mlx
@pytest.mark.parametrize("shape", SHAPES + [(200001,)])
@pytest.mark.parametrize("dtype,rtol", [("float32", 5e-6), ("float16", 1e-3), ("bfloat16", 8e-3), ("complex64", 5e-6)])
def test_normal_is_close_to_mlx(shape, dtype, rtol):
    assert_same(*both("normal", shape=shape, dtype=dtype), rtol=rtol)


@needs_mlx
def test_normal_with_loc_and_scale():
    loc, scale = np.array([1.0, -2.0], np.float32), np.array(3.0, np.float32)
    assert_same(*both("normal", (5, 2), loc=loc, scale=scale), rtol=1e-5)
    assert_same(*both("normal", (), loc=loc), rtol=1e-5)
    assert_same(*both("normal", (5, 2), dtype="float16", loc=loc, scale=scale), rtol=3e-3)
    assert_same(*both("normal", (5,), dtype="complex64", loc=1 + 2j, scale=2.0), rtol=1e-5)


@needs_mlx
@pytest.mark.parametrize("p", [0.3, 0.5, 1.0, 0.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_bernoulli(p, dtype):
    assert_same(*both("bernoulli", np.array(p, dtype), (5000,)))
    assert_same(*both("bernoulli", np.array([p, 0.2], dtype)))
    assert_same(*both("bernoulli", p, (3, 2)))


@needs_mlx
@pytest.mark.parametrize("low,high,dtype", [
    (0, 10, "int32"), (-5, 5, "int8"), (2**24 + 1, 2**24 + 3, "int32"), (0, 2**31 - 1, "int32"),
    (-(2**31), 2**31 - 1, "int32"), (0, 2**40, "int64"), (0, 255, "uint8"), (0, 300, "uint8"), (-7, -2, "int32"),
    (5, 2, "int32"), (0, 2, "bool_"), (0, 2**32 - 1, "uint32"), (0.5, 3.7, "int32"), (-3.7, -0.5, "int32"),
    (-2.5, 2.5, "int32"), (3, 3, "int16"),
])
def test_randint(low, high, dtype):
    assert_same(*both("randint", low, high, (20000,), dtype=dtype))


@needs_mlx
def test_randint_between_arrays():
    assert_same(*both("randint", np.array([0, 5]), np.array([3, 9]), (300, 2)))


@needs_mlx
def test_categorical():
    logits = np.random.default_rng(0).standard_normal((4, 7)).astype(np.float32)
    assert_same(*both("categorical", logits))
    assert_same(*both("categorical", logits, axis=0))
    assert_same(*both("categorical", logits, shape=(50, 4)))
    assert_same(*both("categorical", logits, num_samples=100))
    assert_same(*both("categorical", logits, axis=0, num_samples=100))
    assert_same(*both("categorical", logits.reshape(2, 2, 7), axis=1, shape=(5, 2, 7)))
    assert_same(*both("categorical", logits.astype(np.float16), num_samples=30))
    for one in (logits[:1], logits[:1].T, logits[None, :1]):  # a single distribution is drawn from another way
        axis = int(np.argmax(one.shape))
        assert_same(*both("categorical", one, axis=axis))
        assert_same(*both("categorical", one, axis=axis, num_samples=40))
    assert_same(*both("categorical", logits[0]))
    assert_same(*both("categorical", logits[0], shape=(40,)))
    assert_same(*both("categorical", logits[0].astype(np.float16), num_samples=40))


def test_categorical_draws_nothing_of_probability_zero():
    logits = mx.array([-np.inf, 0.0, -np.inf, 0.0, -np.inf])
    assert set(np.array(mx.random.categorical(logits, num_samples=1000)).tolist()) == {1, 3}


@needs_mlx
@pytest.mark.parametrize("n", [0, 1, 2, 5, 1000, 300000])
def test_permutation(n):
    assert_same(*both("permutation", n))
    assert_same(*both("permutation", np.arange(2 * n).reshape(2, n), axis=1))


@needs_mlx
@pytest.mark.parametrize("dtype,rtol", [("float32", 2e-5), ("float16", 4e-3), ("bfloat16", 3e-2)])
def test_kin_of_the_normal(dtype, rtol):
    for name, args in (("gumbel", ()), ("laplace", ()),):
        assert_same(*both(name, (3000,), *args, dtype=dtype), rtol=rtol)
    assert_same(*both("laplace", (3000,), dtype=dtype, loc=1.5, scale=2.0), rtol=rtol)
    ours, theirs = both("truncated_normal", -1.0, 2.0, (3000,), dtype=dtype)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=rtol, atol=rtol)
    ours, theirs = both("truncated_normal", np.array([-1.0, 0.0]), 1.0)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-5)


@needs_mlx
def test_the_state_is_split_as_in_mlx():
    for lib in (mx, mlx):
        lib.random.seed(5)
    for draw in (
        lambda lib: lib.random.uniform(shape=[3]),
        lambda lib: lib.random.bernoulli(0.5, [5]),
        lambda lib: lib.random.permutation(6),
        lambda lib: lib.random.randint(0, 9, [4]),
        lambda lib: lib.random.categorical(lib.zeros((2, 5))),
        lambda lib: lib.random.split(lib.random.state[0], 3),
    ):
        np.testing.assert_array_equal(np.array(draw(mx)), np.array(draw(mlx)))
    np.testing.assert_array_equal(np.array(mx.random.state[0]), np.array(mlx.random.state[0]))


@needs_mlx
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**40 + 5, 2**64 - 1])
def test_key_and_split(seed):
    np.testing.assert_array_equal(np.array(mx.random.key(seed)), np.array(mlx.random.key(seed)))
    for n in (0, 1, 2, 3, 10):
        ours, theirs = mx.random.split(mx.random.key(seed), n), mlx.random.split(mlx.random.key(seed), n)
        np.testing.assert_array_equal(np.array(ours), np.array(theirs))


# What holds without MLX.


def test_known_answers():
    k = mx.random.key(7)
    np.testing.assert_array_equal(np.array(mx.random.split(k, 1)), [[195045567, 4062205631]])
    # Salmon et al.: threefry-2x32-20 of key 0 and counter 0.
    assert int(np.array(mx.random.uniform(shape=[1], key=mx.random.key(0)))[0] * 2**24) == 0x6B2001


def test_state_is_of_its_thread():
    mx.random.seed(1)
    seen = []

    def other():
        mx.random.seed(2)
        seen.append(np.array(mx.random.state[0]))

    t = threading.Thread(target=other)
    t.start()
    t.join()
    np.testing.assert_array_equal(seen[0], [0, 2])
    np.testing.assert_array_equal(np.array(mx.random.state[0]), [0, 1])
    assert len(mx.random.state) == 1 and len(list(mx.random.state)) == 1
    with pytest.raises(IndexError):
        mx.random.state[1]


def test_moments():
    k = mx.random.key(3)
    n = 400000
    u = np.array(mx.random.uniform(shape=[n], key=k)).astype(np.float64)
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 3e-3 and abs(u.var() - 1 / 12) < 1e-3
    z = np.array(mx.random.normal([n], key=k)).astype(np.float64)
    assert abs(z.mean()) < 6e-3 and abs(z.var() - 1) < 1e-2 and abs((z**4).mean() - 3) < 6e-2
    d = np.array(mx.random.uniform(shape=[n], dtype=mx.float64, key=k))
    assert d.dtype == np.float64 and 0 <= d.min() and d.max() < 1 and abs(d.mean() - 0.5) < 3e-3
    assert np.unique(d).size == n
    t = np.array(mx.random.truncated_normal(4, 5, [1000], key=k))
    assert t.min() >= 4 and t.max() <= 5
    c = np.array(mx.random.categorical(mx.log(mx.array([0.1, 0.2, 0.7])), num_samples=n, key=k))
    np.testing.assert_allclose(np.bincount(c) / n, [0.1, 0.2, 0.7], atol=4e-3)


def test_erfinv():
    x = np.concatenate([np.linspace(-0.99999, 0.99999, 4001), [0.0, 1e-30, -1e-7, 0.99999994]]).astype(np.float32)
    y = np.array(mx.erfinv(mx.array(x))).astype(np.float64)
    back = np.array([math.erf(v) for v in y])
    # In the tail one ULP of y moves erf(y) less than one of x.
    np.testing.assert_allclose(back, x, rtol=2e-7)
    d = np.linspace(-0.999999, 0.999999, 1001)
    y = np.array(mx.erfinv(mx.array(d, dtype=mx.float64)))
    np.testing.assert_allclose([math.erf(v) for v in y], d, rtol=3e-16, atol=1e-18)
    edge = np.array(mx.erfinv(mx.array([1.0, -1.0, 1.5, float("nan")])))
    assert edge[0] == np.inf and edge[1] == -np.inf and np.isnan(edge[2:]).all()


@pytest.mark.parametrize("call", [
    lambda r: r.uniform(0, 1, [3], dtype=mx.int32),
    lambda r: r.uniform(0, 1, [-3]),
    lambda r: r.uniform(0, mx.array([1, 2]), [3]),
    lambda r: r.uniform(key=mx.array([1, 2])),
    lambda r: r.uniform(key=r.split(r.key(0), 3)),
    lambda r: r.normal([3], dtype=mx.int32),
    lambda r: r.randint(0, 10, [4], dtype=mx.float32),
    lambda r: r.bernoulli(1, [4]),
    lambda r: r.bernoulli(mx.array([0.1, 0.9]), [4]),
    lambda r: r.categorical(mx.zeros((2, 5)), shape=[2], num_samples=2),
    lambda r: r.categorical(mx.zeros((2, 5)), shape=[3]),
    lambda r: r.categorical(mx.zeros((2, 0))),
    lambda r: r.permutation(-1),
    lambda r: r.gumbel([2], dtype=mx.int32),
    lambda r: r.laplace([2], dtype=mx.complex64),
    lambda r: r.split(r.key(0), -1),
])
def test_wrong_calls(call):
    with pytest.raises(ValueError):
        mx.eval(call(mx.random))


def test_module_can_be_imported():
    import uma.core.random as r

    assert r.uniform is mx.random.uniform
