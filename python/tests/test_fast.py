"""Fused functions and products of quantized matrices, against NumPy and MLX."""

import numpy as np
import pytest
import uma.core as mx
from mlx_cases import check_same, dtype_name, mlx, needs_mlx, raised

X = "mx.array(np.random.default_rng(1).standard_normal((4, 64)).astype(np.float32))"
W = "mx.array(np.random.default_rng(2).standard_normal((32, 64)).astype(np.float32))"
L = f"{X}[:3, :5]"

CASES = [
    *[
        f"mx.fast.cross_entropy({L}.astype(mx.{d}), mx.array([0, 1, 4], mx.{t}))"
        for d, t in (
            ("float32", "int32"),
            ("float32", "uint8"),
            ("float32", "int64"),
            ("int32", "int32"),
            ("complex64", "int32"),
            ("float32", "bool_"),
            ("float32", "float32"),
        )
    ],
    *[f"mx.fast.cross_entropy({L}, mx.array({t}))" for t in ("[0, -1, -5]", "[0, 1]", "1", "[[0, 1, 2]]")],
    "mx.fast.cross_entropy(mx.array(1.0), mx.array(0))",
    "mx.fast.cross_entropy(mx.array([1.0, 2]), mx.array(0))",
    "mx.fast.cross_entropy(mx.zeros((3, 0)), mx.array([0, 1, 2]))",
    "mx.fast.cross_entropy(f, mx.array([[0, 1, 2], [3, 0, 1]]))",
    *[f"mx.quantize({W}, mode='nvfp4', global_scale=mx.array({g}))" for g in ("1.0", "3.5", "[2.0]", "[1.0, 2]", "1")],
    f"mx.quantize({W}, mode='mxfp8', global_scale=mx.array(1.0))",
    *[
        f"mx.dequantize(*mx.quantize({W}, mode='nvfp4'), mode='nvfp4', global_scale=mx.array({g}){d})"
        for g, d in (("3.5", ""), ("2.0", ", dtype=mx.float32"), ("[1.0, 2]", ""), ("1", ""))
    ],
    # MLX's CPU has the product of one row only
    f"mx.qqmm({X}[0], *mx.quantize({W}, mode='nvfp4'))",
    f"mx.qqmm({X}[:1], *mx.quantize({W}, mode='mxfp8'), mode='mxfp8')",
    *[
        f"mx.qqmm({X}, {rest})"
        for rest in (
            f"mx.quantize({W}, mode='nvfp4')[0]",
            f"*mx.quantize({W}, mode='nvfp4'), mode='mxfp8'",
            f"*mx.quantize({W}, mode='nvfp4'), group_size=32",
            f"{W}.astype(mx.int32)",
            f"{W}[None]",
            f"{W}[:, :32]",
            f"{W}, global_scale_x=mx.array(2.0)",
            f"{W}, mode='none'",
            f"{W}, mode='mxfp8', global_scale_x=mx.array(2.0), global_scale_w=mx.array(2.0)",
            f"{W}, global_scale_x=mx.array([2.0, 1]), global_scale_w=mx.array(2.0)",
        )
    ],
    f"mx.gather_qqmm({X}[None], *mx.quantize({W}[None], mode='nvfp4'), rhs_indices=mx.array([0.0]))",
    "mx.fast.cuda_kernel(name='a', input_names=['x'], output_names=['y'], source='')",
    "mx.fast.precompiled_cuda_kernel(name='a', compiled_source=b'', inputs=[], output_shapes=[(1,)], "
    "output_dtypes=[mx.float32], scalars=[], grid=(1, 1, 1), threadgroup=(1, 1, 1))",
]


@needs_mlx
@pytest.mark.parametrize("expression", CASES)
def test_same_as_mlx(expression):
    check_same(expression, rtol=1e-5, atol=1e-5)


def test_cross_entropy_of_halves_is_summed_in_f32():
    logits = mx.array(np.linspace(-4, 4, 4096, dtype=np.float32)).astype(mx.bfloat16)
    wide = np.array(logits.astype(mx.float32), np.float64)
    expected = np.log(np.exp(wide).sum()) - wide[7]
    assert abs(mx.fast.cross_entropy(logits, mx.array(7)).item() - expected) < 1e-5


def test_cross_entropy_in_f64_stays_f64():
    with mx.stream(mx.cpu):
        loss = mx.fast.cross_entropy(mx.array([1.0, 2.0], mx.float64), mx.array(0))
        assert loss.dtype == mx.float64 and abs(loss.item() - np.log(1 + np.e)) < 1e-15


def gated_inputs(columns, seed=0):
    rng = np.random.default_rng(seed)
    batch, tokens, keys, heads, dk, dv = 2, 7, 2, 4, 8, 6

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    gamma = rng.uniform(0.5, 1, (batch, tokens, heads, dk) if columns else (batch, tokens, heads)).astype(np.float32)
    beta = rng.uniform(0, 1, (batch, tokens, heads)).astype(np.float32)
    args = normal(batch, tokens, keys, dk), normal(batch, tokens, keys, dk), normal(batch, tokens, heads, dv)
    return (*args, gamma, beta), normal(batch, heads, dv, dk), rng.uniform(size=(batch, tokens)) > 0.3


def gated_loop(q, k, v, gamma, beta, state, mask):
    state, out = state.astype(np.float64), np.zeros(v.shape)
    groups = v.shape[2] // q.shape[2]
    for t in range(q.shape[1]):
        key, query = (np.repeat(x[:, t], groups, 1)[:, :, None] for x in (k, q))
        after = state * (gamma[:, t, :, None, None] if gamma.ndim == 3 else gamma[:, t, :, None])
        error = (v[:, t] - (after * key).sum(-1)) * beta[:, t, :, None]
        after = after + error[..., None] * key
        seen = mask[:, t, None, None]
        out[:, t] = np.where(seen, (after * query).sum(-1), 0)
        state = np.where(seen[..., None], after, state)
    return out, state


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_gated_delta_update(columns, masked):
    args, state, mask = gated_inputs(columns)
    expected = gated_loop(*args, state, mask if masked else np.ones_like(mask))
    extra = {"mask": mx.array(mask)} if masked else {}
    found = mx.fast.gated_delta_update(*map(mx.array, args), initial_state=mx.array(state), **extra)
    assert type(found) is list
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(np.array(ours), theirs, rtol=1e-4, atol=1e-4)


@needs_mlx
@pytest.mark.parametrize(
    "dtypes",
    [
        ("float32", "float32", "float32"),
        ("bfloat16", "bfloat16", "bfloat16"),
        ("float16", "float32", "float32"),
        ("float16", "bfloat16", "float16"),
        ("int32", "float32", "float32"),
    ],
)
def test_gated_delta_update_is_mlx_s(dtypes):
    args, state, mask = gated_inputs(False)
    # MLX rounds to the half dtype at every step
    tolerance = 0.15 if any("float16" in d for d in dtypes) else 1e-4

    def results(lib, extra):
        given = [lib.array(a).astype(getattr(lib, d)) for a, d in zip(args, (*dtypes, "float32", "float32"))]
        return lib.fast.gated_delta_update(*given, *(lib.array(e) for e in extra))

    for extra in ((), (state,), (state, mask)):
        for ours, theirs in zip(results(mx, extra), results(mlx, extra)):
            assert dtype_name(ours.dtype) == dtype_name(theirs.dtype)
            a, b = np.array(ours.astype(mx.float32)), np.array(theirs.astype(mlx.float32))
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_qqmm_is_the_product_of_the_rounded():
    x, w = (eval(e, {"mx": mx, "np": np}) for e in (X, W))
    for mode in ("nvfp4", "mxfp8", "mxfp4"):

        def rounded(a):
            return mx.dequantize(*mx.quantize(a, mode=mode), mode=mode, dtype=mx.float32)

        expected = np.array(rounded(x)) @ np.array(rounded(w)).T
        for args in ((w,), mx.quantize(w, mode=mode)):
            found = mx.qqmm(x, *args, mode=mode)
            np.testing.assert_allclose(np.array(found), expected, rtol=1e-5, atol=1e-5)
        stacked = mx.gather_qqmm(x[None], w[None], rhs_indices=mx.array([0]), mode=mode)
        np.testing.assert_allclose(np.array(stacked[0]), expected, rtol=1e-5, atol=1e-5)
    grad = mx.grad(lambda v: mx.qqmm(x, v, mode="nvfp4").sum())(w)
    expected = mx.dequantize(*mx.quantize(x, mode="nvfp4"), mode="nvfp4", dtype=mx.float32).sum(0)
    np.testing.assert_allclose(np.array(grad), np.array(mx.broadcast_to(expected, w.shape)), rtol=1e-5, atol=1e-5)


def test_they_are_compiled_for_other_extents():
    w = eval(W, {"mx": mx, "np": np})
    product = mx.compile(lambda x: mx.qqmm(x, w, mode="mxfp8"), shapeless=True)
    rule = mx.compile(lambda q, v, b: mx.fast.gated_delta_update(q, q, v, b, b)[0], shapeless=True)
    for n in (3, 5):  # no other extent, which could be meant as well
        x = mx.random.normal((n, 64))
        assert bool(mx.allclose(product(x), mx.qqmm(x, w, mode="mxfp8")))
        q, v, b = mx.random.normal((1, n, 2, 4)), mx.random.normal((1, n, 2, 4)), mx.random.uniform(shape=(1, n, 2))
        assert bool(mx.allclose(rule(q, v, b), mx.fast.gated_delta_update(q, q, v, b, b)[0]))


def test_half_dtypes_of_quantized_products():
    x, w = (eval(e, {"mx": mx, "np": np}) for e in (X, W))
    packed = mx.quantize(w, mode="nvfp4")
    for dtype in (mx.float16, mx.bfloat16):
        found = mx.qqmm(x.astype(dtype), *packed)
        expected = mx.qqmm(x.astype(dtype).astype(mx.float32), *packed)
        assert found.dtype == dtype and bool((found == expected.astype(dtype)).all())  # rounded once
        # MLX gives float32 here, whatever is asked for
        full = mx.dequantize(*packed, mode="nvfp4", global_scale=mx.array(2.0), dtype=dtype)
        assert full.dtype == dtype


def test_halves_under_a_global_scale_lose_nothing_to_it():
    """MLX scales them in their own dtype, which moves a few codes."""
    w, scale = eval(W, {"mx": mx, "np": np}).astype(mx.bfloat16), mx.array(3.5)
    ours = mx.quantize(w, mode="nvfp4", global_scale=scale)
    wide = mx.quantize(w.astype(mx.float32), mode="nvfp4", global_scale=scale)
    assert all(bool((a == b).all()) for a, b in zip(ours, wide))


def test_the_affine_mode_has_no_qqmm():
    assert "knows the modes nvfp4, mxfp8 and mxfp4, not affine" in str(raised(f"mx.qqmm({X}, {W}, mode='affine')"))


@needs_mlx
@pytest.mark.parametrize("bits", (2, 3, 4, 5, 6, 8))
@pytest.mark.parametrize("group", (32, 128))
def test_gradients_of_packed_matrices_are_mlx_s(bits, group):
    x, w = np.random.default_rng(bits).standard_normal((2, 3, 128)).astype(np.float32)
    form = {"group_size": group, "bits": bits}
    found = []
    for m in (mx, mlx):
        packed, scales, biases = m.quantize(m.array(w), **form)

        def product(x, s, b):
            return (m.quantized_matmul(x, packed, s, b, **form) ** 2).sum()

        def matrix(s, b):
            return (m.dequantize(packed, s, b, **form) ** 3).sum()

        def parts(w):
            return (m.quantize(w, **form)[1] * 3 + m.quantize(w, **form)[2] ** 2).sum()

        grads = m.grad(product, argnums=(0, 1, 2))(m.array(x), scales, biases)
        grads += m.grad(matrix, argnums=(0, 1))(scales, biases)
        found.append([np.array(g) for g in (*grads, m.grad(parts)(m.array(w)))])
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


def test_packed_matrices_have_jvp_and_vmap():
    w, s, b = mx.quantize(mx.random.normal((3, 4, 64)))  # a matrix each
    x = mx.random.normal((3, 2, 64))
    found = mx.vmap(mx.quantized_matmul)(x, w, s, b)
    for i in range(3):
        assert bool(mx.allclose(found[i], mx.quantized_matmul(x[i], w[i], s[i], b[i]), atol=1e-5))
    # The matrix is linear in its scales and biases.
    value, tangent = mx.jvp(lambda s, b: mx.dequantize(w, s, b), (s, b), (s, b))
    assert bool(mx.allclose(value[0], tangent[0], atol=1e-5))
    for mode in ("mxfp4", "mxfp8", "nvfp4"):
        matrices = mx.random.normal((3, 4, 64))
        codes, scales = mx.vmap(lambda m: mx.quantize(m, mode=mode))(matrices)
        expected = mx.quantize(matrices, mode=mode)
        assert bool((codes == expected[0]).all()) and bool((scales == expected[1]).all())
