import numpy as np
import pytest
import uma.core as mx
from mlx_cases import check_same, needs_mlx, raised

CASES = """
mx.pad(a, 1)
mx.pad(a, (1, 2))
mx.pad(a, (1,))
mx.pad(a, [(1, 0), (0, 2)])
mx.pad(a, [(1, 0)])
mx.pad(a, [1, 2])
mx.pad(a, -1)
mx.pad(a, 0)
mx.pad(a, ())
mx.pad(a, ((1, 2, 3),))
mx.pad(a, 1, mode='foo')
mx.pad(a, [(1, 0), (0, 2)], mode='edge')
mx.pad(a, [(1, 1), (2, 2)], mode='reflect')
mx.pad(a, [(5, 1), (7, 3)], mode='reflect')
mx.pad(a, [(5, 1), (7, 3)], mode='symmetric')
mx.pad(a[:1], 2, mode='reflect')
mx.pad(a, 1, constant_values=2.5)
mx.pad(f, 1, constant_values=mx.array(2.5))
mx.pad(t, [(0, 1), (2, 0)])
mx.pad(w, 1, mode='edge')
mx.pad(e, 1)
mx.pad(b, 1)
mx.pad(c, 1)
mx.pad(h, 1, 'constant', 7)
mx.pad(z, 1)
mx.repeat(a, 2)
mx.repeat(a, 0)
mx.repeat(a, -1)
mx.repeat(a, 2, 1)
mx.repeat(a, 2, axis=-2)
mx.repeat(a, 2, 5)
mx.repeat(t, 3, 0)
mx.repeat(z, 3)
mx.tile(a, 2)
mx.tile(a, (2, 1, 2))
mx.tile(a, ())
mx.tile(a, 0)
mx.tile(a, -1)
mx.tile(z, (2,))
mx.tile(t, [2, 2])
mx.roll(a, 1)
mx.roll(a, -1, 1)
mx.roll(a, (1, 2), (0, 1))
mx.roll(a, (1, 2), 0)
mx.roll(a, (1, 2))
mx.roll(f.reshape(6, 4), (1, 2), (0,))
mx.roll(a, (1,), (0, 0))
mx.roll(a, 1, (0, 1))
mx.roll(a, 100, 1)
mx.roll(a, 1, 5)
mx.roll(e, 1)
mx.roll(z, 1)
mx.roll(t, 2, 0)
mx.flip(a)
mx.flip(a, 0)
mx.flip(a, (0, -1))
mx.flip(a, 5)
mx.flip(z)
mx.flip(e)
mx.flip(t, 1)
mx.stack([a, a])
mx.stack([a, a], axis=-1)
mx.stack([a, a], axis=5)
mx.stack([])
mx.stack([a, a[:1]])
mx.unstack(a)
mx.unstack(a, axis=-1)
mx.unstack(a, axis=5)
mx.unstack(z)
mx.unstack(e)
mx.unflatten(a, 1, (-1, 1))
mx.unflatten(a, 1, ())
mx.unflatten(a, 1, (2, 2))
mx.unflatten(a, 1, (-1, -1))
mx.unflatten(a, 5, (1, 2))
mx.unflatten(f, -1, (2, -1))
mx.flatten(a, 0, 5)
mx.flatten(f, -7, 1)
mx.flatten(f, 2, 1)
mx.flatten(z)
mx.broadcast_arrays(a, i8, z)
mx.broadcast_arrays()
mx.broadcast_arrays(a, h)
mx.meshgrid(h, i8)
mx.meshgrid(h, i8, indexing='ij')
mx.meshgrid(h, i8, sparse=True)
mx.meshgrid(h, i8, u8, sparse=True)
mx.meshgrid(h, i8, u8)
mx.meshgrid(h, indexing='zz')
mx.meshgrid()
mx.meshgrid(a, z)
mx.meshgrid(h)
mx.atleast_1d(z)
mx.atleast_1d(z, a)
mx.atleast_2d(i8)
mx.atleast_3d(i8)
mx.atleast_3d(a)
mx.atleast_3d(z)
mx.atleast_1d()
mx.diag(i8)
mx.diag(i8, 1)
mx.diag(i8, -2)
mx.diag(a)
mx.diag(a, 1)
mx.diag(a, 5)
mx.diag(t, -2)
mx.diag(n)
mx.diag(c)
mx.diag(z)
mx.diag(f)
mx.diag(e[:, 0], 1)
a.diag(1)
mx.diagonal(a)
mx.diagonal(a, 1)
mx.diagonal(a, -1)
mx.diagonal(a, 7)
mx.diagonal(a, -7)
mx.diagonal(a, 0, 1, 0)
mx.diagonal(a, 0, 0, 0)
mx.diagonal(a, 0, 0, 5)
mx.diagonal(i8)
mx.diagonal(f)
mx.diagonal(f, 1, 2, 0)
mx.diagonal(t, 1)
a.diagonal(offset=1)
mx.trace(a)
mx.trace(b)
mx.trace(f)
mx.trace(f, 1, 2, 0)
mx.trace(a, dtype=mx.float32)
mx.trace(a.astype(mx.int8), dtype=mx.int8)
mx.trace(i8)
mx.trace(a, 0, 0, 5)
mx.put_along_axis(a, mx.array([[0, 1, 0]]), mx.array(9), 0)
mx.put_along_axis(a, mx.array([[0, 1]]), mx.array(9), 0)
mx.put_along_axis(a, mx.array([[0], [2]]), mx.array([[7], [8]]), 1)
mx.put_along_axis(a, mx.array([0, 2]), mx.array([7, 8]))
mx.put_along_axis(a, mx.array([0, 2]), mx.array(7.5))
mx.put_along_axis(a, mx.array([[0]]), mx.array(7), 0)
mx.put_along_axis(a, mx.array([0]), mx.array(7), 0)
mx.put_along_axis(a, mx.array([[-1, -1, -1]]), mx.array(7), 0)
mx.put_along_axis(a, mx.array([[0]]), mx.array(7), 5)
mx.put_along_axis(t, mx.array([[0, 1, 2, 3]]), mx.array(7), 0)
mx.slice(a, mx.array([0, 1]), (0, 1), (1, 2))
mx.slice(a, mx.array(1), (0,), (1, 2))
mx.slice(a, mx.array(1), (-1,), (1, 2))
mx.slice(a, mx.array([0, 0]), (0, 1), (1, 7))
mx.slice(a, mx.array([0]), (0, 1), (1, 2))
mx.slice(a, mx.array([0, 0]), (0, 1), (1,))
mx.slice(a, mx.array([0, 0]), (0, 0), (1, 2))
mx.slice(a, mx.array([0.5, 0]), (0, 1), (1, 2))
mx.slice(a, mx.array([[0, 0]]), (0, 1), (1, 2))
mx.slice(a, mx.array([0]), (5,), (1, 1))
mx.slice(t, mx.array([2, 1]), (1, 0), (3, 2))
mx.slice_update(a, mx.array([[7, 8]]), mx.array([0, 1]), (0, 1))
mx.slice_update(a, mx.array([[7, 8]]), mx.array([1]), (0,))
mx.slice_update(a, mx.array([7, 8]), mx.array([1]), (0,))
mx.slice_update(a, mx.array([[7.5, 8]]), mx.array([1]), (0,))
mx.slice_update(a, mx.zeros((3, 3)), mx.array([0]), (0,))
mx.slice_update(t, mx.ones((2, 2)), mx.array([3, 1]), (0, 1))
mx.as_strided(a)
mx.as_strided(a, (2, 2), (1, 1))
mx.as_strided(a, (2, 2), (1, 1), 1)
mx.as_strided(a.T, (2, 2), (1, 2), 1)
mx.as_strided(a, (2, 2))
mx.as_strided(a, (2,), (-1,), 5)
mx.view(a, mx.float32)
mx.view(a, mx.int8)
mx.view(a, mx.int64)
mx.view(a[:, :2], mx.int64)
mx.view(a.T, mx.int16)
mx.view(z, mx.int16)
mx.view(z, mx.int32)
mx.view(1, mx.float32)
mx.view(b, mx.uint8)
mx.view(c, mx.float32)
mx.view(t, mx.uint8)
mx.view(w, mx.int32)
mx.view(w[:, :2], mx.int64)
a.view(mx.float32)
mx.depends(a, b)
mx.depends([a, i8], [b])
mx.to_fp8(h)
mx.to_fp8(a)
mx.to_fp8(mx.array([0., -0., 1., 448., 449., 464., 1e9, -1e9, float('inf'), 0.0019, 2**-9, 2**-10, 2**-10 * 1.01]))
mx.to_fp8(mx.array([3 * 2**-10, 0.3, 5 * 2**-10, 1.0625, 1.1875, 17, 19, 0.0146484375, 0.015380859375, -0.3]))
mx.from_fp8(mx.arange(256).astype(mx.uint8))
mx.from_fp8(mx.arange(256).astype(mx.uint8), mx.float32)
mx.from_fp8(mx.arange(256).astype(mx.uint8), dtype=mx.float16)
mx.from_fp8(a)
mx.from_fp8(u8, mx.int32)
""".strip().split("\n")


@needs_mlx
@pytest.mark.parametrize("expression", CASES)
def test_as_mlx(expression):
    check_same(expression)


def test_what_mlx_leaves_undefined_is_an_error_or_defined():
    assert isinstance(raised("mx.as_strided(a, (2, 2), (5, 1))"), ValueError)
    assert isinstance(raised("mx.as_strided(a, (2,), (-1,), 0)"), ValueError)
    assert isinstance(raised("mx.as_strided(a, (2, 2), (1,))"), ValueError)
    assert isinstance(raised("mx.pad(e, 1, mode='edge')"), ValueError)
    assert isinstance(raised("mx.pad(a, 1, constant_values=mx.array([1, 2]))"), ValueError)
    assert isinstance(raised("mx.slice(a, mx.array([0, 0]), (0, 1), (-1, 2))"), ValueError)
    a = mx.arange(6).reshape(2, 3)
    assert mx.as_strided(mx.arange(9)[::-2], (2, 2), (1, 2)).tolist() == [[8, 4], [6, 2]]
    assert mx.slice(a, mx.array([5, 5]), (0, 1), (1, 2)).tolist() == [[4, 5]]
    assert mx.slice(a, mx.array([-9, 0]), (0, 1), (1, 2)).tolist() == [[0, 1]]
    assert mx.slice_update(a, mx.array([[7, 8]]), mx.array([5, 5]), (0, 1)).tolist() == [[0, 1, 2], [3, 7, 8]]
    assert mx.to_fp8(mx.array([float("nan")])).item() == 127


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("shape", [(1,), (5,), (3, 4), (2, 1, 3)])
def test_pad_as_numpy(mode, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    for widths in ([(0, 0)] * len(shape), [(2, 3)] * len(shape), [(7, 0)] * len(shape)):
        np.testing.assert_array_equal(np.array(mx.pad(mx.array(x), widths, mode=mode)), np.pad(x, widths, mode=mode))


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint64, np.bool_, np.complex64, np.float16])
def test_moves_as_numpy(dtype):
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for y, m in [(x, mx.array(x)), (x.transpose(2, 0, 1), mx.array(x).transpose(2, 0, 1)), (x[::-1, :, ::2], mx.array(x)[::-1, :, ::2])]:
        for ours, theirs in [
            (mx.roll(m, 2, 1), np.roll(y, 2, 1)),
            (mx.roll(m, 5), np.roll(y, 5)),
            (mx.flip(m, (0, 2)), np.flip(y, (0, 2))),
            (mx.tile(m, (2, 1, 3)), np.tile(y, (2, 1, 3))),
            (mx.repeat(m, 3, 1), np.repeat(y, 3, 1)),
            (mx.diagonal(m, 1, 0, 2), np.diagonal(y, 1, 0, 2)),
            (mx.diag(m[0]), np.diag(y[0])),
            (mx.diag(m[0, 0], -2), np.diag(y[0, 0], -2)),
        ]:
            np.testing.assert_array_equal(np.array(ours), theirs)


def test_gradients_flow_through():
    x = mx.arange(6).astype(mx.float32)
    g = mx.grad(lambda v: (mx.pad(v, 2, mode="reflect") * mx.arange(10)).sum())(x)
    assert g.tolist() == [2.0, 3 + 1.0, 4 + 0.0, 5 + 9.0, 6 + 8.0, 7.0]
    assert mx.grad(lambda v: mx.as_strided(v, (3, 2), (1, 2)).sum())(x).tolist() == [1, 1, 2, 1, 1, 0]
    assert mx.grad(lambda v: mx.diag(v, 1).sum())(x).tolist() == [1] * 6
    assert mx.grad(lambda v: mx.slice(v, mx.array(2), (0,), (3,)).sum())(x).tolist() == [0, 0, 1, 1, 1, 0]
    assert mx.grad(lambda v: mx.depends([v], [x])[0].sum())(x).tolist() == [1] * 6
    rows = mx.vmap(lambda v: mx.as_strided(v, (2, 2), (1, 1)))(mx.arange(6).reshape(2, 3))
    assert rows.tolist() == [[[0, 1], [1, 2]], [[3, 4], [4, 5]]]


def test_nothing_is_too_large():
    for expression in ["mx.repeat(a, 2**62)", "mx.tile(a, 2**62)", "mx.pad(a, 2**62)", "mx.as_strided(a, (2**40, 2), (2**40, 1))"]:
        assert isinstance(raised(expression), (ValueError, MemoryError)), expression


def test_view_shares_memory_and_bits():
    x = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)
    for y in (x, x[:, ::2], x.T, x[::-1]):
        np.testing.assert_array_equal(np.array(mx.view(mx.array(x)[:, ::2], mx.uint16)), np.ascontiguousarray(x[:, ::2]).view(np.uint16))
        np.testing.assert_array_equal(np.array(mx.array(y).view(mx.int32)), np.ascontiguousarray(y).view(np.int32))
