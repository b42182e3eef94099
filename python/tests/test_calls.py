"""Calls as programs for MLX make them, beyond the common ones: arguments by every name, values of other libraries,
and what is raised."""

import inspect

import numpy as np
import pytest
import uma.core as mx
from mlx_cases import check_same, needs_mlx

CASES = """
mx.cumsum(u8, dtype=mx.int64)
mx.cumsum(b, axis=1, dtype=mx.float16, inclusive=False)
mx.cumprod(h, dtype=mx.float32, reverse=True)
mx.cumsum(a, 5, dtype=mx.int64)
mx.linspace(0, 1, 4, endpoint=False)
mx.linspace(0, 1, 4, False, mx.float16)
mx.linspace(3, 1, 1, endpoint=False)
mx.linspace(0, 1, 0, endpoint=False)
mx.round(True)
mx.round(2.5, 0)
mx.take_along_axis(a, mx.array([[0, 2], [1, 1]]))
mx.take_along_axis(a, mx.array([0, 2]))
mx.take_along_axis(a, mx.array([0, 2]), None)
mx.fast.scaled_dot_product_attention(f[None], f[None], f[None], scale=0.5, force_fused=False)
c.conj(stream=mx.cpu)
str(mx.finfo(mx.float32))
repr(mx.iinfo(mx.int8))
mx.device_info(d=mx.cpu)['architecture']
mx.linalg.cross(mx.ones((3, 2)), mx.array([1.0, 3.0]))
mx.linalg.cross(mx.ones((3, 2)), mx.ones((3, 3)))
mx.argmin(e, axis=0)
mx.argmax(mx.zeros((3, 0)), axis=1)
mx.softmax(mx.zeros((0,)))
mx.softmax(mx.zeros((2, 0)), axis=-1)
mx.sum(u8, axis=())
mx.max(b, axis=())
mx.all(a, axis=())
mx.any(n, axis=[])
mx.mean(a, axis=())
mx.logsumexp(a, axis=())
mx.var(a, axis=())
mx.std(f, axis=(), keepdims=True)
mx.array([a, [[1, 2, 3], [4, 5, 6]]])
mx.array([[1, 2], mx.array([3.5, 4])])
mx.array([a, []])
mx.array([[z, 1], [2, z]])
mx.array([z, 'x'])
"""

# NumPy's values are weak, as Python's numbers are
WEAK = """
h * np.float32(2)
np.float32(2) - h if isinstance(np.float32(2) - h, mx.array) else None
h + np.ones(2, np.float32)
mx.maximum(h, np.float32(0))
mx.where(b[0], np.float32(1), h)
h.astype(mx.bfloat16) + np.float16(1.5)
a + np.arange(3)
i8 * np.int64(3)
u8 * np.arange(3)
a == np.arange(3)
mx.power(np.int64(2), i8)
c * np.complex64(1j)
z + np.float64(2)
h / np.sqrt(2.0)
"""

RAISED = """
mx.exp([1, 2])
mx.exp('x')
mx.add(a, [1, 2, 3])
mx.where(a, [1], a)
mx.abs(mx.float32)
a + 'x'
'x' + a
a * [1, 2, 3]
(1, 2, 3) * a
a / mx.float32
a < 'x'
a == [1]
a != 'x'
mx.random.uniform((3,))
mx.take(a, [0])
a.__setitem__(0, [1, 2, 3])
a.__setitem__(0, 'x')
u8.at[mx.array([0, 1])].subtract(1.5)
u8.at[:].subtract(mx.array([251, 3, 2]))
a[1.0:]
a[:'x']
f'{a:.2f}'
f'{a}'
f'{z:.2f}'
a.transpose(0)
f.transpose(0, 1)
mx.transpose(a, (2, 0, 1))
mx.transpose(z, (0,))
mx.matrix_transpose(u8)
mx.arange(1j)
mx.arange(0, 3, 1j)
mx.result_type(a, 2.0)
mx.broadcast_shapes((2,), 3)
mx.asarray([1, 2], copy=False)
mx.asarray(np.float64(2.5))
mx.asarray(np.float32(2.5))
mx.asarray(a, mx.float32, copy=False)
mx.grad('x')
mx.vmap(3)
mx.vmap(lambda q: q, in_axes=5)(a)
mx.vmap(lambda q: q, out_axes=5)(a)
mx.vmap(lambda q: q)(z)
"""

TRANSFORMS = """
mx.grad(lambda p, q: (p * q).sum(), argnums=(1, 0))(f, f + 1)
mx.value_and_grad(lambda p, q, r: (p * q / r).sum(), argnums=[2, 0])(z, z + 1, z + 2)
mx.vmap(lambda q: q['x'] + q['y'], in_axes={'x': 0, 'y': None})({'x': f, 'y': f[0]})
[t(inspect.getdoc).__name__ for t in (mx.grad, mx.value_and_grad, mx.vmap, mx.checkpoint, mx.compile)]
mx.vmap(inspect.getdoc).__doc__ == inspect.getdoc.__doc__
"""

NORMS = """
mx.fast.rms_norm(x, w, 1e-5)
mx.fast.layer_norm(x, w, None, 1e-5)
mx.fast.layer_norm(x, w, v, 1e-5)
mx.fast.layer_norm(x, None, v, 1e-5)
mx.fast.scaled_dot_product_attention(x[None, None], y[None, None], y[None, None], scale=1.0)
mx.fast.scaled_dot_product_attention(y[None, None], y[None, None], x[None, None], scale=1.0)
"""


def lines(text):
    return [line for line in text.splitlines() if line]


@needs_mlx
@pytest.mark.parametrize("expression", lines(CASES + WEAK + RAISED))
def test_a_call_is_as_in_mlx(expression):
    check_same(expression)


@needs_mlx
@pytest.mark.parametrize("expression", lines(TRANSFORMS))
def test_a_transformation_is_as_in_mlx(expression):
    check_same(f"(lambda inspect: {expression})(__import__('inspect'))")


@needs_mlx
@pytest.mark.parametrize("expression", lines(NORMS))
@pytest.mark.parametrize("x", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("w", ["float16", "bfloat16", "float32"])
def test_a_fused_result_has_the_promoted_dtype(expression, x, w):
    arrays = f"mx.array([[1, 2.5, -3]], mx.{x}), mx.array([[1, 2, 0.5]], mx.{w}), mx.array([1, 2, 3], mx.{w})"
    check_same(f"(lambda x, y, v: (lambda w: {expression})(y[0]))({arrays})", rtol=1e-2)


def custom(rule, **names):
    """A function of trees whose vjp is given, and what grad makes of it."""
    fun = mx.custom_function(lambda p, n, **kw: {"out": p["w"] * n, "more": [p["v"][0]]})
    fun.vjp(rule)
    return mx.grad(lambda p: fun(p, 3, **names)["out"].sum())({"w": mx.array([1.0, 2.0]), "v": [mx.array(5.0)]})


def test_rules_of_custom_functions_see_the_trees_of_the_call():
    def rule(primals, cotangents, outputs):
        p, n = primals
        assert n == 3 and p["v"][0].item() == outputs["more"][0].item() == 5
        return {"w": cotangents["out"] * 7, "v": [cotangents["more"][0] + 1]}, None

    grads = custom(rule)
    assert grads["w"].tolist() == [7, 7] and grads["v"][0].item() == 1


def test_an_argument_without_a_gradient_has_zeros():
    fun = mx.custom_function(lambda x, y: x * y)
    fun.vjp(lambda primals, cotangent, output: (None, cotangent * 2))
    x = mx.array([1.0, 2.0])
    gx, gy = mx.grad(lambda x, y: fun(x, y).sum(), argnums=(0, 1))(x, x)
    assert gx.tolist() == [0, 0] and gy.tolist() == [2, 2]


def test_keywords_go_to_the_rule_as_keywords():
    fun = mx.custom_function(lambda x, k: x * k)
    fun.vjp(lambda primals, cotangent, output, k: cotangent * k * 10)
    assert mx.grad(lambda x: fun(x, k=2))(mx.array(1.0)).item() == 20


def test_vmap_of_a_custom_function_has_axes_in_the_shape_of_its_arguments():
    fun = mx.custom_function(lambda p: {"sum": p["x"] + p["y"]})

    @fun.vmap
    def rule(p, axes):
        assert axes == {"x": 0, "y": None}
        return {"sum": (p["x"] + p["y"]) * 2}, {"sum": 0}

    p = {"x": mx.array([1.0, 2.0]), "y": mx.array(1.0)}
    assert mx.vmap(fun, in_axes={"x": 0, "y": None})(p)["sum"].tolist() == [4, 6]


def test_an_empty_result_of_an_arg_reduction():
    assert mx.argmin(mx.zeros((0, 3)), axis=1).shape == (0,)
    assert mx.random.categorical(mx.zeros((2, 3)), num_samples=0).shape == (2, 0)


@pytest.mark.parametrize(
    "index",
    [
        np.s_[::2],
        np.s_[::-1],
        np.s_[:, ::2],
        np.s_[1::2, None, :],
        np.s_[:, 1, ::-1],
        np.s_[[2, 0]],
        np.s_[:, [1, 0]],
        np.s_[..., [0, 2]],
        np.s_[[0, 1], :, [1, 2]],
        np.s_[1, [0, 2]],
    ],
)
def test_assignment_at_steps_and_indices(index):
    want = np.arange(60, dtype=np.float32).reshape(4, 3, 5)
    got = mx.array(want)
    value = np.random.default_rng(0).standard_normal(want[index].shape).astype(np.float32)
    added = got.at[index].add(mx.array(value))
    got[index] = mx.array(value)
    total = want.copy()
    total[index] += value
    want[index] = value
    np.testing.assert_array_equal(np.array(got), want)
    np.testing.assert_array_equal(np.array(added), total)


def test_named_functions_keep_their_signature():
    def loss(x, scale=2.0):
        return (x * scale).sum()

    assert str(inspect.signature(mx.grad(loss))) == "(x, scale=2.0)"
