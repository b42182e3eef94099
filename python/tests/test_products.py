import numpy as np
import pytest
import uma.core as mx
from mlx_cases import check_same, needs_mlx, raised

# Square and odd matrices for einsum; `q` is deterministic and small, so that sums are exact enough.
CASES = """
mx.outer(i8, h)
mx.outer(a, z)
mx.outer(a, mx.array(2))
mx.outer(t, i8)
mx.inner(a, a)
mx.inner(h, h)
mx.inner(f, f)
mx.inner(f, w)
mx.inner(t, w)
mx.inner(z, i8)
mx.inner(mx.array(1), i8)
mx.vecdot(a, a)
mx.vecdot(a, a, axis=0)
mx.vecdot(f, f, axis=1)
mx.vecdot(b, b)
mx.vecdot(h, h)
mx.vecdot(z, z)
mx.vecdot(a, a, axis=5)
mx.kron(h, i8)
mx.kron(mx.array(2), a)
mx.kron(b, i8)
mx.kron(f, h)
mx.kron(a.T, a)
mx.tensordot(a, a, [[0, 1], [0, 1]])
mx.tensordot(f, f, [[0, 1], [0, 1]])
mx.tensordot(f, f, [[2], [2]])
mx.tensordot(f, f, 0)
mx.tensordot(f, f.T, 2)
mx.tensordot(f, f, 3)
mx.tensordot(f, f, 4)
mx.tensordot(f, f, -1)
mx.tensordot(f, f, [[0], [1]])
mx.tensordot(f, f, [[0, 1], [0]])
mx.tensordot(f, f, [[-1], [-1]])
mx.tensordot(h, h, 1)
mx.tensordot(a, a.astype(mx.float16).T, 1)
mx.tensordot(f, f, [[5], [0]])
mx.addmm(z, f[0], f[0].T, 2.0, 3.0)
mx.addmm(mx.array([1, 2]), mx.ones((2, 3)), mx.ones((3, 2)))
mx.addmm(mx.ones((4, 2, 2)), mx.ones((2, 3)), mx.ones((3, 2)))
mx.addmm(mx.ones((2,)), mx.ones((3,)), mx.ones((3, 2)))
mx.addmm(mx.array(1), mx.ones((2, 3), mx.int32), mx.ones((3, 2), mx.int32))
mx.addmm(mx.ones((3, 3)), mx.ones((2, 3)), mx.ones((3, 2)))
mx.addmm(h, mx.ones((2, 3), mx.float16), mx.ones((3, 2), mx.float16), alpha=0.5)
mx.matmul(a, a.T)
mx.matmul(a, h)
mx.matmul(f, f)
mx.matmul(z, f)
mx.gather_mm(mx.ones((2, 3, 4)), mx.ones((5, 4, 2)), mx.array([0, 1, 0]), mx.array([1, 2, 3]))
mx.gather_mm(f, mx.ones((5, 4, 2)), None, mx.array([1, 2]))
mx.gather_mm(f, mx.ones((5, 4, 2)), None, mx.array([[1], [2]]))
mx.gather_mm(mx.ones((3, 4)), mx.ones((5, 4, 2)), None, mx.array([1, 2]))
mx.gather_mm(mx.ones((2, 3, 4)), mx.ones((5, 4, 2)))
mx.gather_mm(mx.ones((5, 3, 4)), mx.ones((5, 4, 2)))
mx.gather_mm(mx.ones((3, 4)), mx.ones((4, 2)))
mx.gather_mm(mx.ones((4,)), mx.ones((4, 2)))
mx.gather_mm(mx.ones((5, 3, 4), mx.int32), mx.ones((5, 4, 2)), mx.array([0]))
mx.gather_mm(mx.ones((5, 3, 4), mx.int32), mx.ones((5, 4, 2), mx.int32), mx.array([0]))
mx.gather_mm(f, mx.ones((5, 4, 2)), mx.array([0.0]), mx.array([1]))
mx.segmented_mm(f[0], f[0].T, mx.array([[0, 3], [3, 4]]))
mx.segmented_mm(f[0], f[0].T, mx.array([[[0, 4]], [[3, 3]]], dtype=mx.uint32))
mx.segmented_mm(f[0], f[0].T, mx.array([0, 2], dtype=mx.uint32))
mx.segmented_mm(f[0], f[0].T, mx.array([4], dtype=mx.uint32))
mx.segmented_mm(f, f, mx.array([0, 2], dtype=mx.uint32))
mx.hadamard_transform(mx.array([1.0, 2.0, 3.0, 4.0]))
mx.hadamard_transform(mx.array([1, 2, 3, 4]))
mx.hadamard_transform(mx.array([1.0, 2.0, 3.0]))
mx.hadamard_transform(z)
mx.hadamard_transform(mx.zeros((2, 0)))
mx.hadamard_transform(h, scale=1.0)
mx.hadamard_transform(f)
mx.hadamard_transform(mx.eye(12), 1.0)
mx.hadamard_transform(mx.eye(20), 1.0)
mx.hadamard_transform(mx.eye(28), 1.0)
mx.hadamard_transform(mx.eye(48), 1.0)
mx.hadamard_transform(mx.eye(512), 1.0)
mx.hadamard_transform((mx.arange(3 * 4096) % 7).reshape(3, 4096).astype(mx.float32))
mx.einsum('ij,jk->ik', f[0], f[0].T)
mx.einsum('ij,jk', f[0], f[0].T)
mx.einsum('ij,kj->ik', f[0], f[1])
mx.einsum('ij,jk->ik', a, a.T)
mx.einsum('ii', f[0][:, :3])
mx.einsum('ii->i', f[0][:, :3])
mx.einsum('iij->j', f[0][:, :3, None] * h)
mx.einsum('i,i->', h, h)
mx.einsum('i,j->ij', h, i8)
mx.einsum('ij->ji', a)
mx.einsum('ij->', a)
mx.einsum('ij->j', a)
mx.einsum('...j,...j->...', f, f)
mx.einsum('i...->...', f)
mx.einsum('...ij,...jk->...ik', f, f.transpose(0, 2, 1))
mx.einsum('...ij,jk->...ik', f, f[0].T)
mx.einsum('b...,b...->...b', f, f)
mx.einsum(' i j , j k -> i k ', f[0], f[0].T)
mx.einsum('ij,jk->il', f[0], f[0].T)
mx.einsum('ij,jk->ii', f[0], f[0].T)
mx.einsum('ijk', a)
mx.einsum('ij,jk', a)
mx.einsum('ij,jk', a, a)
mx.einsum('', z)
mx.einsum('->', z)
mx.einsum('i1', a)
mx.einsum('ij->ij->', a)
mx.einsum('ji', a)
mx.einsum('iJ->Ji', a)
mx.einsum('ij,ij->ij', a, b[:, :1])
mx.einsum('ij,ij->ij', a, mx.ones((1, 3)))
mx.einsum('ij,j->ij', a, i8)
mx.einsum('ij,jk,kl->il', f[0], f[0].T, f[0])
mx.einsum('abc,abd,ce->de', f, f, f[0].T)
mx.einsum('abc,abd,ce,d->e', f, f, f[0].T, f[0, 0])
mx.einsum('ij,kl->ijkl', f[0], f[1])
mx.einsum('bij,bjk,bkl->bil', f, f.transpose(0, 2, 1), f)
mx.einsum_path('ij,jk,kl->il', f[0], f[0].T, f[0])
mx.einsum_path('ij,jk->ik', mx.zeros((3, 4)), mx.zeros((4, 5)))
mx.einsum_path('ij,jk,kl,lm->im', mx.zeros((30, 4)), mx.zeros((4, 50)), mx.zeros((50, 6)), mx.zeros((6, 7)))
mx.einsum_path('ij', f[0])
mx.einsum_path('ij,kl,mn,jl,ln->i', *[mx.zeros((5, 5))] * 5)
""".strip().split("\n")


@needs_mlx
@pytest.mark.parametrize("expression", CASES)
def test_as_mlx(expression):
    check_same(expression, rtol=2e-3 if "4096" in expression or "float16" in expression else 1e-5, atol=1e-5)


@pytest.mark.parametrize("equation, shapes", [
    ("ij,jk->ik", [(3, 4), (4, 5)]),
    ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
    ("abc,cd,de,ea->b", [(2, 3, 4), (4, 5), (5, 6), (6, 2)]),
    ("ab,cd,ef->", [(2, 3), (4, 5), (2, 2)]),
    ("aab,b->a", [(3, 3, 4), (4,)]),
    ("...a,...b->...ab", [(2, 3, 4), (3, 5)]),
    ("a...b,b...->a...", [(2, 3, 4), (4, 3)]),
    ("ab,ab,ab->a", [(3, 4), (3, 4), (3, 4)]),
    ("i,ij,j->", [(3,), (3, 4), (4,)]),
    ("ea,fb,abcd,gc,hd->efgh", [(2, 3)] * 2 + [(3, 3, 3, 3)] + [(2, 3)] * 2),
    ("abcd->dcba", [(2, 3, 4, 5)]),
    ("ab,b->ab", [(0, 3), (3,)]),
    ("ab,bc->ac", [(2, 0), (0, 3)]),
])
def test_einsum_as_numpy(equation, shapes):
    rng = np.random.default_rng(3)
    xs = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    expected = np.einsum(equation, *[x.astype(np.float64) for x in xs])
    np.testing.assert_allclose(np.array(mx.einsum(equation, *[mx.array(x) for x in xs])), expected, rtol=1e-4, atol=1e-4)


def test_einsum_path_contracts_all():
    for n in range(2, 9):
        letters = "abcdefghij"
        equation = ",".join(letters[i:i + 2] for i in range(n)) + "->" + letters[0] + letters[n]
        path, text = mx.einsum_path(equation, *[mx.zeros((3, 3))] * n)
        assert [len(step) for step in path] == [2] * (n - 1)
        assert "Optimized scaling:  3" in text


def test_block_masks_as_plain_loops():
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((40, 70)).astype(np.float32), rng.standard_normal((70, 33)).astype(np.float32)
    wide = lambda m, rows, columns: np.repeat(np.repeat(m, 32, 0), 32, 1)[:rows, :columns]
    for kind in (np.bool_, np.float32):
        lhs, rhs, out = [(rng.integers(0, 2, s) if kind is np.bool_ else rng.standard_normal(s)).astype(kind)
                         for s in [(2, 3), (3, 2), (2, 2)]]
        expected = (a * wide(lhs, 40, 70)) @ (b * wide(rhs, 70, 33)) * wide(out, 40, 33)
        ours = mx.block_masked_mm(mx.array(a), mx.array(b), 32, mx.array(out), mx.array(lhs), mx.array(rhs))
        np.testing.assert_allclose(np.array(ours), expected, rtol=1e-4, atol=1e-4)
    hidden = mx.array(np.where(wide(lhs * 0, 40, 70) == 0, np.nan, a).astype(np.float32))
    assert mx.block_masked_mm(hidden, mx.array(b), 32, None, mx.zeros((2, 3)), None).abs().max().item() == 0
    assert isinstance(raised("mx.block_masked_mm(f[0], f[0].T, 32, mx.zeros((2, 2)))"), ValueError)
    assert isinstance(raised("mx.block_masked_mm(a, a.T, 32)"), ValueError)


def test_segments_out_of_range_and_nan():
    a, b = mx.ones((2, 4)), mx.ones((4, 3))
    b[3] = float("nan")
    assert mx.segmented_mm(a, b, mx.array([[0, 3], [2, 2], [1, 99]]))[:2].tolist() == [[[3] * 3] * 2, [[0] * 3] * 2]


@pytest.mark.parametrize("n", [1, 2, 8, 64, 128, 1024, 12 * 16, 20 * 2, 28 * 4])
def test_hadamard_is_its_own_inverse_up_to_order(n):
    x = np.random.default_rng(n).standard_normal((3, n)).astype(np.float32)
    h = np.array(mx.hadamard_transform(mx.eye(n, dtype=mx.float64), 1.0)).T
    assert np.array_equal(h @ h.T, n * np.eye(n))
    np.testing.assert_allclose(np.array(mx.hadamard_transform(mx.array(x))), x @ h.T / np.sqrt(n), rtol=1e-4, atol=1e-5)


def test_gradients_flow_through():
    x, y = mx.array([[1.0, 2.0], [3.0, 4.0]]), mx.array([[0.5, -1.0], [2.0, 1.0]])
    g = mx.grad(lambda v: mx.einsum("ij,jk->", v, y))(x)
    np.testing.assert_allclose(np.array(g), np.tile(np.array(y).sum(1), (2, 1)))
    assert mx.grad(lambda v: mx.inner(v, y).sum())(x).tolist() == [[2.5, 0], [2.5, 0]]
    np.testing.assert_allclose(np.array(mx.grad(lambda v: mx.kron(v, y).sum())(x)), 2.5)
    rows = mx.vmap(lambda v: mx.einsum("i,ij->j", v, y))(x)
    np.testing.assert_allclose(np.array(rows), np.array(x) @ np.array(y))
