"""Factorizations against NumPy, and against MLX where it is installed."""

import numpy as np
import pytest
import uma.core as mx
from mlx_cases import check_same, needs_mlx, raised

P = "mx.array([[4.0, 1, 2], [1, 5, 3], [2, 3, 6]])"  # positive definite
G = "mx.array([[1.0, 2, -3], [0.5, -1, 4], [2, 2, 0.25]])"  # regular
W = "mx.array([[-2.5, -1.5, 0.5], [0.25, 1.5, 2]])"
B = "mx.array([[[2.0, 1], [1, 3]], [[5, -1], [-1, 1]], [[1, 0.5], [0.5, 2]]])"  # a batch of definite ones
S = "mx.array([[1.0, 2], [2, 4]])"  # singular
D = "mx.array([[4.0, 1], [1, 5]], dtype=mx.float64)"
C = "mx.array([[2, 1j], [-1j, 3]])"  # Hermitian
N = "mx.array([[float('nan'), 1], [1, 2.0]])"
L = "mx.linalg"

CASES = [
    *[f"{L}.{f}({x})" for f in ("cholesky", "inv", "tri_inv", "cholesky_inv", "det", "slogdet", "pinv", "qr", "lu",
                                "lu_factor", "eigvals", "eigvalsh") for x in (P, B, D)],
    *[f"{L}.{f}({x}, True)" for f in ("cholesky", "tri_inv", "cholesky_inv") for x in (P, B, D)],
    *[f"{L}.{f}({x})" for f in ("inv", "det", "slogdet", "qr", "lu", "lu_factor", "pinv", "eigvals")
      for x in (G, f"{G}.T")],
    *[f"{L}.{f}({x})" for f in ("qr", "lu", "lu_factor", "pinv", "svd") for x in (W, f"{W}.T")],
    *[f"{L}.svd({x}, compute_uv={uv})" for x in (P, G, B, W, D, C) for uv in (False, True)],
    *[f"{L}.eigh({x}, UPLO='{uplo}')" for x in (P, B, D, C) for uplo in "LU"],
    *[f"{L}.{f}({C})" for f in ("eigvals", "eigvalsh")],  # MLX's eig gives the conjugates of the vectors
    *[f"{L}.eig({x})" for x in (P, D, G, "mx.array([[0.0, 1], [-1, 0]])")],
    # one triangle is read
    f"{L}.cholesky(mx.array([[4.0, 9], [1, 5]]))",
    f"{L}.cholesky(mx.array([[4.0, 1], [9, 5]]), upper=True)",
    f"{L}.eigvalsh(mx.array([[4.0, 9], [1, 5]]))",
    f"{L}.eigvalsh(mx.array([[4.0, 9], [1, 5]]), 'U')",
    # systems
    *[f"{L}.{f}({P}, {b})" for f in ("solve", "solve_triangular") for b in
      ("mx.array([1.0, 2, 3])", "mx.ones((3, 2))", "mx.ones((3, 2), mx.float64)", "mx.ones((3, 0))",
       "mx.ones((3, 2), mx.int32)",
       "mx.ones((3, 1), mx.float16)", "w.T", "mx.array(1.0)", "mx.ones((2,))", "mx.ones((2, 3))", "c")],
    f"{L}.solve({B}, mx.ones((3, 2, 1)))",
    f"{L}.solve_triangular({B}, mx.ones((2, 1)))",
    f"{L}.solve_triangular({P}, mx.ones((2, 3, 2)), upper=True)",
    f"{L}.solve({D}, mx.array([1, 2]))",
    # singular, and what has a result all the same
    *[f"{L}.{f}({S})" for f in ("det", "slogdet", "lu", "lu_factor", "pinv", "cholesky", "qr")],
    f"{L}.det(mx.zeros((3, 3)))",
    f"{L}.pinv(mx.zeros((2, 3)))",
    # NaN
    *[f"{L}.{f}({N})" for f in ("det", "inv")],
    # dtypes and shapes
    *[f"{L}.{f}({x})" for f in ("cholesky", "cholesky_inv", "inv", "tri_inv", "det", "slogdet", "eig", "eigvals",
                                "eigh", "eigvalsh", "lu", "lu_factor", "pinv", "qr", "svd")
      for x in ("a", "h", "z", "h.reshape(2, 1) + h", "(h.reshape(2, 1) + h).astype(mx.bfloat16)",
                "mx.array([[1, 2], [3, 4]])", "e")
      if not (x == "e" and f in ("lu", "lu_factor"))],  # MLX divides by zero and dies
    *[f"{L}.{f}({C})" for f in ("cholesky", "inv", "det", "slogdet", "lu", "pinv", "qr")],
    *[f"{L}.{f}(mx.zeros((0, 2, 2)))" for f in ("cholesky", "inv", "det", "slogdet", "eig", "eigh", "lu", "pinv",
                                                "qr", "svd")],
    f"{L}.svd(mx.zeros((0, 3)))",
    f"{L}.svd(mx.zeros((3, 0)))",
    f"{L}.qr(mx.zeros((3, 0)))",
    f"{L}.det(mx.zeros((0, 0)))",
    # norms that need singular values
    *[f"{L}.norm({x}, {o}{k})" for x in (P, W, D, C) for o in ("'nuc'", "2", "-2") for k in ("", ", keepdims=True")],
    *[f"{L}.norm(f, {o}, axis={ax}{k})" for o in ("'nuc'", "2")
      for ax in ("[0, 1]", "[1, 0]", "[0, 2]", "[2, 0]", "[-1, 1]", "(1, 2)") for k in ("", ", keepdims=True")],
    *[f"{L}.norm({W}, {o})" for o in ("0", "3", "1.5", "'foo'", "float('nan')", "'fro'", "'f'")],
    f"{L}.norm(a, 2)",
    f"{L}.norm(h, 'nuc')",
    f"{L}.norm(e, 2)",
    f"{L}.norm(e, 'nuc')",
    f"{L}.norm({W}, 2, axis=[0, 5])",
    f"mx.matrix_norm({W}, -2)",
    f"mx.matrix_norm({W})",
    # drawn from a covariance
    *[f"mx.random.multivariate_normal({m}, {c}{rest}, key=mx.random.key(3))" for m, c, rest in [
        ("mx.zeros((2,))", D, ""), ("mx.zeros((2,), mx.float64)", D, ""), ("mx.zeros((2,))", B, ", [4, 3]"),
        ("mx.ones((4, 1, 2))", B, ""), ("mx.ones((4, 1, 2))", B, ", [1]"), ("mx.ones((4, 2))", S, ", [3]"),
        ("mx.array([1, 2])", "mx.array([[2, 1], [1, 3]])", ""),
        ("h", "mx.array([[2.0, 1], [1, 3]], dtype=mx.float16)", ""),
        ("mx.zeros((2,))", D, ", dtype=mx.float16"), ("mx.zeros((2,))", D, ", dtype=None"), ("mx.zeros((3,))", D, ""),
        ("z", D, ""), ("mx.zeros((2,))", "h", ""), ("mx.zeros((2,))", W, ""),
        ("mx.zeros((1,))", "mx.ones((1, 1))", ", [0]"),
        ("mx.zeros((2,))", D, ", [-1]")]],
]


@needs_mlx
@pytest.mark.parametrize("expression", CASES)
def test_as_mlx(expression):
    check_same(expression, rtol=1e-4, atol=2e-5)


SHAPES = [(1, 1), (3, 3), (5, 2), (2, 5), (4, 3, 3), (2, 3, 4, 6), (33, 33), (40, 65)]


def of(x):
    """An array of x's dtype: mx.array() makes float32 of float64."""
    return mx.array(x, dtype=mx.float64) if x.dtype == np.float64 else mx.array(x)


def layouts(x):
    """The same values contiguous, with the last axes' memory exchanged, as every second element, and reversed."""
    wide = np.repeat(x, 2, -1)
    return [of(x), mx.swapaxes(of(np.swapaxes(x, -1, -2)), -1, -2), of(wide)[..., ::2], of(x[..., ::-1])[..., ::-1]]


def close(a, b, dtype):
    tolerance = 1e-9 if np.dtype(dtype).itemsize in (8, 16) and dtype != np.complex64 else 5e-4
    np.testing.assert_allclose(np.array(a), b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("shape", SHAPES)
def test_as_numpy(shape, dtype):
    rng = np.random.default_rng(shape[-1])
    x = rng.standard_normal(shape)
    if dtype == np.complex64:
        x = x + 1j * rng.standard_normal(shape)
    x = x.astype(dtype)
    square = shape[-1] == shape[-2]
    for a in layouts(x):
        u, s, vt = map(np.array, mx.linalg.svd(a))
        k = s.shape[-1]
        assert u.shape == (*shape[:-1], shape[-2]) and vt.shape == (*shape[:-2], shape[-1], shape[-1])
        close((u[..., :k] * s[..., None, :]) @ vt[..., :k, :], x, dtype)
        close(s, np.linalg.svd(x, compute_uv=False), dtype)
        if dtype != np.complex64:
            close(mx.linalg.pinv(a), np.linalg.pinv(x), dtype)
            for ours, theirs in zip(mx.linalg.qr(a), np.linalg.qr(x)):
                close(ours, theirs, dtype)
            p, low, up = map(np.array, mx.linalg.lu(a))
            close(np.take_along_axis(low @ up, p[..., None], -2), x, dtype)
            assert np.abs(low).max() <= 1
        if square:
            h = x + np.swapaxes(x.conj(), -1, -2)
            ah = a + mx.conjugate(mx.swapaxes(a, -1, -2))
            w, v = map(np.array, mx.linalg.eigh(ah))
            close(w, np.linalg.eigvalsh(h), dtype)
            close((v * w[..., None, :]) @ np.swapaxes(v.conj(), -1, -2), h, dtype)
            w, v = map(np.array, mx.linalg.eig(a))
            close(x.astype(np.complex64) @ v, v * w[..., None, :], np.complex64)
            np.testing.assert_allclose(np.linalg.norm(v, axis=-2), 1, rtol=1e-5)
        if square and dtype != np.complex64:
            # far from singular
            well, aw = x + 3 * np.eye(shape[-1], dtype=dtype), a + 3 * mx.eye(shape[-1], dtype=a.dtype)
            rows = np.abs(np.linalg.inv(well.astype(np.float64)))
            if rows.max() < 50:
                close(mx.linalg.inv(aw) @ aw, np.broadcast_to(np.eye(shape[-1]), shape), dtype)
                close(aw @ mx.linalg.solve(aw, a), x, dtype)
            sign, log = np.linalg.slogdet(well.astype(np.float64))
            close(mx.linalg.slogdet(aw)[1], log, dtype)
            assert np.array_equal(np.array(mx.linalg.slogdet(aw)[0]), sign)
            d = x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1], dtype=dtype)
            ad = a @ mx.swapaxes(a, -1, -2) + mx.eye(shape[-1], dtype=a.dtype)
            close(mx.linalg.cholesky(ad), np.linalg.cholesky(d), dtype)


def test_broadcast_batches_of_systems():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((4, 1, 3, 3)), rng.standard_normal((2, 3, 5))
    close(mx.linalg.solve(of(a), of(b)), np.linalg.solve(a, b), np.float64)
    one = mx.broadcast_to(of(a[:1, 0]), (6, 3, 3))
    close(mx.linalg.inv(one), np.broadcast_to(np.linalg.inv(a[:1, 0]), (6, 3, 3)), np.float64)


def test_many_small_matrices():
    x = np.random.default_rng(2).standard_normal((3000, 4, 4)) + 4 * np.eye(4)
    close(mx.linalg.inv(of(x)), np.linalg.inv(x), np.float64)
    close(mx.linalg.svd(of(x), compute_uv=False), np.linalg.svd(x, compute_uv=False), np.float64)


@pytest.mark.parametrize("f", ["cholesky", "cholesky_inv", "inv", "tri_inv", "pinv"])
def test_empty_matrices(f):
    assert getattr(mx.linalg, f)(mx.zeros((0, 0))).tolist() == []


def test_empty_results_where_mlx_dies():
    p, low, up = mx.linalg.lu(mx.zeros((3, 0)))
    assert p.tolist() == [0, 1, 2] and low.shape == (3, 0) and up.shape == (0, 0)
    assert mx.linalg.lu(mx.zeros((2, 0, 3)))[2].shape == (2, 0, 3)
    assert mx.linalg.solve(mx.zeros((0, 0)), mx.zeros((0, 3))).shape == (0, 3)
    assert mx.linalg.solve_triangular(mx.zeros((0, 0)), mx.zeros((0,))).shape == (0,)


@pytest.mark.parametrize("expression, words", [
    (f"{L}.cholesky(mx.array([[1.0, 2], [2, 1]])).tolist()", "positive definite"),
    (f"{L}.inv({S}).tolist()", "[inv] the matrix is singular: pivot 2 of 2 is zero"),
    (f"{L}.solve({S}, h.astype(mx.float32)).tolist()", "[solve] the matrix is singular"),
    (f"{L}.tri_inv(mx.zeros((2, 2))).tolist()", "[tri_inv] the matrix is singular: element 0"),
    *[(f"{L}.{f}({N}).tolist()", "finite") for f in ("eigvals", "eigvalsh")],
    (f"{L}.svd({N}, False).tolist()", "[svd] takes finite numbers"),
])
def test_no_result_is_a_runtime_error(expression, words):
    error = raised(expression)
    assert type(error) is RuntimeError and words in str(error)


@pytest.mark.parametrize("expression, words", [
    (f"{L}.eigh({S}, 'X')", "UPLO is 'L' or 'U', not 'X'"),
    (f"{L}.norm(f, 2, axis=[1, 1])", "are the same"),
    (f"{L}.inv(mx.ones((2, 3)))", "[inv] takes square matrices, not shape (2, 3)"),
    (f"{L}.qr(mx.ones((2, 2), mx.int32))", "[qr] takes float32 or float64, not int32"),
    (f"{L}.svd(mx.ones((2,)))", "[svd] needs at least 2 dimensions, not shape (2,)"),
])
def test_refused(expression, words):
    error = raised(expression)
    assert isinstance(error, ValueError) and words in str(error)


def test_streams_are_taken():
    a = mx.array([[2.0, 0], [0, 4]])
    for stream in (mx.cpu, mx.default_stream(mx.default_device()), None):
        assert mx.linalg.inv(a, stream=stream).tolist() == [[0.5, 0], [0, 0.25]]
        assert mx.linalg.svd(a, compute_uv=False, stream=stream).tolist() == [4, 2]
        assert mx.linalg.eigvalsh(a, stream=stream).tolist() == [2, 4]


# Even powers: the sign of a vector is arbitrary, and may change with a step.
@pytest.mark.parametrize("f", [
    lambda x: mx.linalg.inv(x).sum(),
    lambda x: mx.linalg.solve(x, mx.array([1.0, 2, 3]).astype(x.dtype)).sum(),
    lambda x: mx.linalg.solve_triangular(x, mx.array([1.0, 2, 3]).astype(x.dtype)).sum(),
    lambda x: mx.linalg.cholesky(x @ x.T).sum(),
    lambda x: (mx.linalg.qr(x)[0] ** 4).sum() + (mx.linalg.qr(x)[1] ** 2).sum(),
    lambda x: (mx.linalg.svd(x)[0] ** 4).sum(),
    lambda x: mx.linalg.norm(x, "nuc"),
    lambda x: mx.linalg.norm(x, 2),
    lambda x: (mx.linalg.eigh(x + x.T)[1] ** 4).sum(),
    lambda x: mx.linalg.det(x),
    lambda x: mx.linalg.slogdet(x)[1],
    lambda x: mx.linalg.lu(x)[1].sum(),
    lambda x: mx.linalg.pinv(x[:, :2]).sum(),
])
def test_gradients_are_slopes(f):
    x = mx.array([[3.0, 1, -0.5], [0.25, 2, 1], [1, -1, 4]], dtype=mx.float64)
    g = np.array(mx.grad(f)(x))
    for i in range(3):
        for j in range(3):
            step = np.zeros((3, 3))
            step[i, j] = 1e-6
            slope = (f(x + of(step)) - f(x - of(step))).item() / 2e-6
            assert abs(g[i, j] - slope) < 1e-6, (i, j)


@needs_mlx
@pytest.mark.parametrize("expression", [
    f"mx.grad(mx.linalg.det)({P})", f"mx.grad(mx.linalg.det)({S})", "mx.grad(mx.linalg.det)(mx.zeros((3, 3)))",
    f"mx.grad(lambda x: mx.linalg.slogdet(x)[1])({P})", f"mx.grad(lambda x: mx.linalg.slogdet(x)[1])({S})",
    f"mx.vmap(mx.linalg.inv)({B})", f"mx.vmap(lambda x: mx.linalg.eigh(x)[0])({B})",
    f"mx.vmap(mx.linalg.solve, in_axes=(None, 0))({P}, mx.ones((2, 3)))",
])
def test_transforms_as_mlx(expression):
    check_same(expression, rtol=1e-4, atol=1e-5)


def test_threads_do_not_mix():
    """LAPACK from several threads at once gives what it gives alone: the serial OpenBLAS does not by itself."""
    from concurrent.futures import ThreadPoolExecutor

    x = np.random.default_rng(5).standard_normal((2000, 4, 4)) + 4 * np.eye(4)
    expected = np.linalg.inv(x)

    def run(_):
        return np.array(mx.linalg.inv(of(x)))

    with ThreadPoolExecutor(4) as pool:
        for inverse in pool.map(run, range(40)):
            close(inverse, expected, np.float64)
