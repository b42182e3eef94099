"""complex64 in elementwise functions, reductions and products, against NumPy in complex128 and MLX."""

import numpy as np
import pytest

import uma.core as mx

try:
    import mlx.core as mlx

    mlx.set_default_device(mlx.cpu)
except ImportError:
    mlx = None

needs_mlx = pytest.mark.skipif(mlx is None, reason="mlx is not installed")
rng = np.random.default_rng(0)
X = (rng.standard_normal((6, 7)) + 1j * rng.standard_normal((6, 7))).astype(np.complex64)
Y = (rng.standard_normal((6, 7)) + 1j * rng.standard_normal((6, 7))).astype(np.complex64)

UNARY = ("abs negative sign square exp log log2 log10 log1p sqrt reciprocal sin cos tan arcsin arccos arctan sinh cosh "
         "tanh arcsinh arccosh arctanh conjugate real imag isnan isinf isfinite logical_not").split()
BINARY = ("add subtract multiply divide power equal not_equal less less_equal greater greater_equal maximum minimum "
          "logical_and logical_or").split()
SPECIAL = np.array([complex(a, b) for a in (0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan)
                    for b in (0.0, -0.0, 3.0, np.inf, np.nan)], np.complex64)


def close(ours, want, rtol=4e-7):
    ours = np.array(ours)
    assert ours.shape == want.shape
    if ours.dtype == bool:
        np.testing.assert_array_equal(ours, want)
    else:
        assert ours.dtype == (np.complex64 if np.iscomplexobj(want) else np.float32)
        assert (np.abs(ours - want) <= rtol * np.abs(want) + 1e-30).all()


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    f = getattr(mx, name)
    wide = X.astype(np.complex128)
    close(f(mx.array(X)), getattr(np, name)(wide))
    close(f(mx.array(X).T), getattr(np, name)(wide.T))
    close(f(mx.array(X)[1::2, ::3]), getattr(np, name)(wide[1::2, ::3]))
    close(f(mx.array(X[:0])), getattr(np, name)(wide[:0]))
    close(f(mx.array(X)[0, 0]), np.asarray(getattr(np, name)(wide[0, 0])))


def test_log1p_of_small_numbers():
    z = np.array([1e-6 + 1e-7j, -1e-5 + 2e-3j, 1e-20j], np.complex64)
    a, b = z.real.astype(np.float64), z.imag.astype(np.float64)
    close(mx.log1p(mx.array(z)), 0.5 * np.log1p(a * (2 + a) + b * b) + 1j * np.arctan2(b, 1 + a))


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    f, g = getattr(mx, name), getattr(np, name)
    x, y = X.astype(np.complex128), Y.astype(np.complex128)
    # The products cancel: their error is one of |x||y|.
    rtol = 1e-5 if name in ("multiply", "power") else 6e-7
    close(f(mx.array(X), mx.array(Y)), g(x, y), rtol)
    close(f(mx.array(X), mx.array(Y[0])), g(x, y[0]), rtol)
    close(f(mx.array(X), 2.0), g(x, 2.0), rtol)
    close(f(mx.array(X.real), mx.array(Y)), g(x.real, y), rtol)
    close(f(mx.array(X), mx.array(X)), g(x, x), rtol)


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite", "abs", "conjugate", "real", "imag"])
def test_special_values(name):
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(np.array(getattr(mx, name)(mx.array(SPECIAL))), getattr(np, name)(SPECIAL))


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "max", "min", "all", "any", "var"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
def test_reductions(name, axis):
    want = getattr(np, name)(X.astype(np.complex128), axis=axis)
    close(getattr(mx, name)(mx.array(X), axis=axis), np.asarray(want), 3e-6)


def test_long_sum_is_blocked():
    n = 1 << 20
    x = np.full(n, 0.1 + 0.3j, np.complex64)
    want = n * complex(x[0])
    # One running sum in float32 would be off by 1e-3.
    assert abs(complex(mx.sum(mx.array(x)).item()) - want) < 1e-6 * abs(want)


def test_argmax_orders_real_parts_first():
    x = np.array([1 + 2j, 3 - 1j, 3 + 0j, -1 + 9j, -1 + 8j], np.complex64)
    assert mx.argmax(mx.array(x)).item() == np.argmax(x) and mx.argmin(mx.array(x)).item() == np.argmin(x)


def test_orders_and_running_sums():
    x = np.array([[1 + 2j, 3 - 1j, np.nan, 3 + 0j, -1 + 9j, -1 + 8j]], np.complex64)
    np.testing.assert_array_equal(np.array(mx.sort(mx.array(x[:, ::-1]))), np.sort(x))
    np.testing.assert_array_equal(np.array(mx.argsort(mx.array(x))), np.argsort(x, kind="stable"))
    close(mx.cumsum(mx.array(X), axis=1), np.cumsum(X.astype(np.complex128), axis=1), 2e-6)
    close(mx.cumprod(mx.array(X), axis=0), np.cumprod(X.astype(np.complex128), axis=0), 2e-6)
    e = np.exp(X.astype(np.complex128))
    np.testing.assert_allclose(np.array(mx.softmax(mx.array(X), axis=1)), e / e.sum(1, keepdims=True), rtol=1e-4)


@pytest.mark.parametrize("a,b", [((3, 4), (4, 5)), ((4,), (4,)), ((2, 3, 4), (4, 2)), ((2, 1, 3, 4), (5, 4, 2)), ((3, 0), (0, 2))])
def test_matmul(a, b):
    x = (rng.standard_normal(a) + 1j * rng.standard_normal(a)).astype(np.complex64)
    y = (rng.standard_normal(b) + 1j * rng.standard_normal(b)).astype(np.complex64)
    np.testing.assert_allclose(np.array(mx.array(x) @ mx.array(y)), x.astype(np.complex128) @ y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.array(mx.array(x) @ mx.array(y.real)), x.astype(np.complex128) @ y.real, rtol=1e-5, atol=1e-6)


def test_where_casts_and_methods():
    a, b = mx.array(X), mx.array(Y)
    c = X.real > 0
    np.testing.assert_array_equal(np.array(mx.where(mx.array(c), a, b)), np.where(c, X, Y))
    np.testing.assert_array_equal(np.array(a.real), X.real)
    np.testing.assert_array_equal(np.array(a.imag), X.imag)
    np.testing.assert_array_equal(np.array(a.conj()), X.conj())
    np.testing.assert_array_equal(np.array(mx.conj(a)), X.conj())
    assert a.real.dtype == mx.float32
    f = mx.array([1.0, -2.0])
    np.testing.assert_array_equal(np.array(f.astype(mx.complex64)), [1, -2])
    np.testing.assert_array_equal(np.array(a.astype(mx.float32)), X.real)
    np.testing.assert_array_equal(np.array(a.astype(mx.bool_)), X != 0)
    np.testing.assert_array_equal(np.array(f * 1j), [1j, -2j])
    for v in (f, mx.array([1, 2]), mx.array([True])):
        assert mx.real(v).dtype == v.dtype == mx.imag(v).dtype == mx.conj(v).dtype
        assert not np.array(mx.imag(v)).any() and (np.array(mx.real(v)) == np.array(v)).all()


@needs_mlx
@pytest.mark.parametrize("name", UNARY + ["rsqrt", "round", "sum", "prod", "mean", "var", "logsumexp", "degrees", "isposinf"])
def test_unary_as_mlx(name):
    ours, theirs = getattr(mx, name)(mx.array(X)), getattr(mlx, name)(mlx.array(X))
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
    np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=2e-5, atol=1e-5)


@needs_mlx
@pytest.mark.parametrize("name", BINARY + ["logaddexp"])
def test_binary_as_mlx(name):
    ours, theirs = getattr(mx, name)(mx.array(X), mx.array(Y)), getattr(mlx, name)(mlx.array(X), mlx.array(Y))
    np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["floor", "ceil", "expm1", "erf", "erfinv", "sigmoid", "bitwise_invert"])
def test_refused(name):
    with pytest.raises(ValueError):
        getattr(mx, name)(mx.array(X))


@pytest.mark.parametrize("name", ["remainder", "arctan2", "bitwise_and", "floor_divide"])
def test_refused_of_two(name):
    with pytest.raises(ValueError):
        getattr(mx, name)(mx.array(X), mx.array(Y))
