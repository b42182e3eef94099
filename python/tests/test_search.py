import numpy as np
import pytest
import uma.core as mx
from mlx_cases import check_same, needs_mlx, raised

CASES = """
mx.isclose(a, a)
mx.isclose(n, mx.array([3.00001, float('nan'), -float('inf'), float('inf'), float('inf'), 1.1]))
mx.isclose(n, n, equal_nan=True)
mx.isclose(n, n * 2)
mx.isclose(u8, u8[::-1], 0, 250)
mx.isclose(a, 1.0)
mx.isclose(h, h + 0.001)
mx.isclose(b, b)
mx.isclose(a, h)
mx.allclose(a, a)
mx.allclose(a, mx.zeros((2, 2)))
mx.allclose(a, 1)
mx.allclose(e, e)
mx.allclose(f, f + 1e-9)
mx.array_equal(a, a)
mx.array_equal(a, mx.zeros((2, 2)))
mx.array_equal(a, 1)
mx.array_equal(n, n)
mx.array_equal(n, n, equal_nan=True)
mx.array_equal(1, 1.0)
mx.array_equal(mx.array(1), 1.0)
mx.array_equal(e, e.astype(mx.int8))
mx.median(mx.array([1, 2, 3, 4]))
mx.median(b)
mx.median(n)
mx.median(n, 0, True)
mx.median(h)
mx.median(f, 1)
mx.median(f, (0, 2))
mx.median(f, (0, 1), True)
mx.median(f, (0, 0))
mx.median(a, ())
mx.median(a, 5)
mx.median(mx.array(3))
mx.median(e)
mx.median(e, 1)
mx.median(mx.array([1, 2], dtype=mx.int64))
mx.median(t, 0)
mx.minmax(a, 0)
mx.minmax(n)
mx.minmax(a, 0, True)
mx.minmax(a, ())
mx.minmax(e)
mx.minmax(a, 5)
mx.cummax(a, 0)
mx.cummax(a)
mx.cummax(a, 1, reverse=True)
mx.cummax(f, 2, inclusive=False)
mx.cummin(a, 1, inclusive=False)
mx.cummin(f, 1, inclusive=False, reverse=True)
mx.cummax(b, 1)
mx.cummax(b, 1, inclusive=False)
mx.cummax(n, 0)
mx.cummin(n, 0)
mx.cummax(mx.array(1))
mx.cummax(mx.array(1), 0)
mx.cummax(a, 5)
mx.cummax(e, 0)
mx.cummax(u8, 0, inclusive=False)
mx.cummax(h, 0)
mx.cummin(t, 0)
a.cummin(0)
a.cummax(axis=1)
mx.cumsum(b, 0)
mx.cumsum(i8, 0)
mx.cumprod(b, 0)
mx.cumprod(i8)
mx.cumsum(a, 5)
mx.logcumsumexp(a, 1)
mx.logcumsumexp(f, 1)
mx.logcumsumexp(f, 1, reverse=True, inclusive=False)
mx.logcumsumexp(mx.array([-float('inf'), -float('inf'), 1.0]), 0)
mx.logcumsumexp(mx.array([float('inf'), 1.0]), 0)
mx.logcumsumexp(h, 0)
mx.logcumsumexp(t, 0)
mx.logcumsumexp(a)
f.logcumsumexp(2)
mx.diff(a)
mx.diff(a, 2)
mx.diff(a, 5)
mx.diff(a, 0)
mx.diff(a, -1)
mx.diff(b)
mx.diff(z)
mx.diff(u8)
mx.diff(t, 1, 0)
mx.diff(a, 1, 5)
mx.searchsorted(mx.array([1, 2, 2, 4]), mx.array([0, 2, 3, 5]))
mx.searchsorted(mx.array([1, 2, 2, 4]), mx.array([0, 2, 3, 5]), side='right')
mx.searchsorted(mx.array([1, 2, 2, 4]), mx.array([0, 2, 3, 5]), side='x')
mx.searchsorted(a, i8)
mx.searchsorted(i8, 2)
mx.searchsorted(mx.array([1, 2, 2, 4]), mx.array([[1.5]]))
mx.searchsorted(mx.array([1., 2, float('nan'), float('nan')]), mx.array([float('nan'), 5, float('inf')]))
mx.searchsorted(mx.array([1., 2, float('nan'), float('nan')]), mx.array([float('nan'), 5, float('inf')]), side='right')
mx.searchsorted(mx.array([]), mx.array([1.0]))
mx.searchsorted(mx.array([1]), mx.array([]))
mx.unique(mx.array([2, 1, 2, 3, 1]), 3)
mx.unique(mx.array([2, 1, 2, 3, 1]), 5)
mx.unique(mx.array([2, 1, 2, 3, 1]), 5, True, True, True, fill_value=0)
mx.unique(mx.array([2, 1, 2, 3, 1]), 2, True, True, True)
mx.unique(mx.array([2, 1, 2, 3, 1]), 2, return_counts=True, fill_value=7.5)
mx.unique(mx.array([2, 1, 2, 3, 1]), 0, True, True, True)
mx.unique(mx.array([2, 1, 2, 3, 1]), -1)
mx.unique(a, 8, True, True, True)
mx.unique(mx.array(1), 2, True, True, True)
mx.unique(mx.array([]), 2, True, True, True)
mx.unique(mx.array([]), 2, True, True, True, fill_value=3)
mx.unique(mx.array([float('nan'), 1., float('nan'), 0.0, -0.0]), 5, True, True, True)
mx.unique(mx.array([float('nan'), 1., float('nan'), 0.0, -0.0]), 2, True, True, True)
mx.unique(b, 3, True, True, True)
mx.unique(i8, 3, fill_value=mx.array([1, 2]))
mx.unique(i8, 3, fill_value=mx.array(300))
mx.unique(i8, 4, fill_value=9)
mx.topk(mx.array([3, 1, 2]), 2)
mx.topk(mx.array([3, 1, float('nan'), 2]), 2)
mx.topk(mx.array(3), 1)
mx.topk(a, 2, None)
mx.topk(a, 7, 0)
mx.topk(a, 1, 5)
mx.topk(a, 0)
mx.topk(f, 2, 1)
mx.partition(a, 7)
mx.partition(a, 1, 5)
mx.argpartition(a, 7, 0)
mx.sort(a, 5)
mx.sort(n)
mx.argsort(n)
mx.sort(t, 0)
mx.sort(f, None)
mx.count_nonzero(n)
mx.count_nonzero(a, axis=())
mx.count_nonzero(a, axis=0, keepdims=True)
mx.count_nonzero(a, axis=5)
mx.hamming(0)
mx.hamming(1)
mx.hamming(5)
mx.hanning(6)
mx.blackman(7)
mx.bartlett(5)
mx.bartlett(4)
mx.hanning(-1)
""".strip().split("\n")


@needs_mlx
@pytest.mark.parametrize("expression", CASES)
def test_as_mlx(expression):
    check_same(expression, rtol=1e-3 if "(h" in expression else 1e-5)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.float16, np.float32, np.float64])
def test_orders_as_numpy(dtype):
    x = np.random.default_rng(5).integers(0, 9, (4, 5)).astype(dtype)
    m = mx.array(x, dtype=getattr(mx, np.dtype(dtype).name))
    np.testing.assert_array_equal(np.array(mx.cummax(m, 1)), np.maximum.accumulate(x, 1))
    np.testing.assert_array_equal(np.array(mx.cummin(m.T, 1)), np.minimum.accumulate(x.T, 1))
    np.testing.assert_allclose(np.array(mx.median(m, 0)), np.median(x, 0))
    np.testing.assert_array_equal(np.array(mx.diff(m, 2, 0)), np.diff(x, 2, 0))
    keys = np.sort(x.reshape(-1))
    for side in ("left", "right"):
        np.testing.assert_array_equal(np.array(mx.searchsorted(mx.array(keys), m, side=side)), np.searchsorted(keys, x, side))
    values, index, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    ours = mx.unique(m, len(values) + 2, True, True, True)
    for got, expected in zip(ours, (values, index, inverse.reshape(x.shape), counts)):
        got = np.array(got)
        np.testing.assert_array_equal(got[: len(values)] if got.ndim == 1 else got, expected)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 101])
def test_windows_as_numpy(n):
    for name in ("hamming", "hanning", "blackman", "bartlett"):
        np.testing.assert_allclose(np.array(getattr(mx, name)(n)), getattr(np, name)(n), rtol=1e-6, atol=1e-7)


def test_logcumsumexp_does_not_overflow_or_cancel():
    x = np.array([1000.0, 1000.0, -1000.0, 1001.0], np.float32)
    expected = np.logaddexp.accumulate(x.astype(np.float64))
    np.testing.assert_allclose(np.array(mx.logcumsumexp(mx.array(x))), expected, rtol=1e-6)
    many = np.zeros(100000, np.float32)
    np.testing.assert_allclose(mx.logcumsumexp(mx.array(many))[-1].item(), np.log(100000), rtol=1e-6)


def finite_difference(f, x, eps=1e-4):
    out = np.zeros_like(x)
    for i in range(x.size):
        d = np.zeros_like(x)
        d[i] = eps
        high, low = f(mx.array(x + d, dtype=mx.float64)), f(mx.array(x - d, dtype=mx.float64))
        out[i] = (high.item() - low.item()) / (2 * eps)
    return out


@pytest.mark.parametrize("name", ["cummax", "cummin", "logcumsumexp"])
@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_as_finite_differences(name, reverse):
    x = np.array([0.3, 1.2, -0.7, 1.9, 0.1])
    weights = mx.array([1.0, -2.0, 0.5, 3.0, -1.0], dtype=mx.float64)
    f = lambda v: (getattr(mx, name)(v, 0, reverse=reverse) * weights).sum()
    np.testing.assert_allclose(np.array(mx.grad(f)(mx.array(x, dtype=mx.float64))), finite_difference(f, x), rtol=1e-6, atol=1e-7)
    _, (tangent,) = mx.jvp(lambda v: getattr(mx, name)(v, 0, reverse=reverse), [mx.array(x, dtype=mx.float64)], [weights])
    e = 1e-6
    both = [getattr(mx, name)(mx.array(x + s * e * np.array(weights), dtype=mx.float64), 0, reverse=reverse) for s in (1, -1)]
    np.testing.assert_allclose(np.array(tangent), (np.array(both[0]) - np.array(both[1])) / (2 * e), rtol=1e-5, atol=1e-7)


def test_batches_as_rows():
    x = np.random.default_rng(6).standard_normal((3, 5)).astype(np.float32)
    for axis in (0, 1):
        rows = mx.vmap(lambda v: mx.cummax(v, 0), in_axes=axis)(mx.array(x))
        np.testing.assert_array_equal(np.array(rows), np.maximum.accumulate(x if axis == 0 else x.T, 1))


def test_searches_in_batches():
    keys, values = mx.arange(10), mx.array([[1, 5], [20, -1]])
    rows = mx.vmap(lambda v: mx.searchsorted(keys, v))(values)
    assert rows.tolist() == [[1, 5], [10, 0]]


def test_complex_orders_are_errors():
    for expression in ["mx.searchsorted(c, c)", "mx.cummax(c)"]:
        assert isinstance(raised(expression), ValueError)
