"""mx.array itself: construction, printing, exchange of memory, pickles, threads, reference counts."""
import copy
import gc
import pickle
import resource
import sys
import threading

import numpy as np
import pytest
import uma.core as mx
from mlx_cases import check_same, needs_mlx, raised

CASES = """
mx.array([])
mx.array([[], []])
mx.array([[[]]])
mx.array([[1], [2, 3]])
mx.array([1, [2]])
mx.array([1, 'a'])
mx.array(None)
mx.array('abc')
mx.array(b'abc')
mx.array(bytearray(b'abc'))
mx.array(memoryview(b'abc'))
mx.array(2**31)
mx.array(-2**31)
mx.array(-2**31 - 1)
mx.array(-2**63)
mx.array(-1, dtype=mx.uint8)
mx.array(300, dtype=mx.uint8)
mx.array([300], dtype=mx.uint8)
mx.array(1.5, dtype=mx.int32)
mx.array([1.5, True, 2])
mx.array([1, 2.5, 1j])
mx.array([True, 1])
mx.array((1, 2))
mx.array(range(3))
mx.array({1: 2})
mx.array(x for x in range(3))
mx.array([mx.array(1), 2])
mx.array([mx.array(1.5), 2])
mx.array([mx.array(1, dtype=mx.int8), 2])
mx.array([[mx.array(1), 2], [3, 4]])
mx.array([mx.array([1, 2]), mx.array([3])])
mx.array([mx.array([1, 2]), mx.array([3, 4.5])])
mx.array(np.float64(1))
mx.array(np.array([1.0]))
mx.array(np.array([1]))
mx.array(np.array([1 + 2j]))
mx.array(np.arange(6).reshape(2, 3).T)
mx.array(np.zeros((0, 3)))
mx.array(np.array(5, dtype=np.uint16))
mx.array(np.array([True, False]))
mx.array(a, dtype=mx.float16)
mx.array(float('nan'))
mx.array(1, mx.float64)
mx.array(1e300)
mx.array(1e300, mx.float64)
mx.array([2**53 + 1])
mx.array([2**53 + 1], dtype=mx.float64)
mx.array(True)
mx.array(1j)
mx.arange(3, 0, -1)
mx.arange(0, 5, 0)
mx.arange(True)
mx.arange(0, 5, dtype=mx.bool_)
mx.arange(0, 10, 2.5, dtype=mx.int32)
mx.arange(0, float('inf'))
mx.arange(float('nan'))
mx.arange(mx.array(3))
mx.arange(1, 4)
mx.arange(-3)
mx.arange(start=1, stop=3)
mx.arange(0.5, 3)
mx.linspace(0, 1, 0)
mx.linspace(0, 1, 1)
mx.linspace(1, -1, 5)
mx.linspace(0, 1, -1)
mx.zeros(())
mx.zeros((2, -1))
mx.zeros((0, 2))
mx.full((2, 3), h[0])
mx.full((2, 3), i8)
mx.full((2, 3), h)
mx.eye(3, 2, 1)
mx.eye(-1)
mx.identity(2, mx.int8)
mx.tri(3, 2, -1)
a.item()
z.item()
mx.array(3).item()
b.tolist()
c.tolist()
e.tolist()
len(a)
len(z)
bool(z)
bool(a)
int(z)
float(mx.array(3))
complex(c[0])
range(3)[mx.array(1)]
range(3)[z]
f'{z:.2f}'
list(z)
[x.tolist() for x in a]
a.T
f.mT
i8.mT
a == 'x'
mx.divmod(a, 2)
a.round(1)
f.std(ddof=1)
f.var(0, correction=1)
mx.std(f, correction=1)
z.__array_namespace__(api_version='2022.12')
hash(z) == hash(z)
a.itemsize
f.nbytes
""".strip().split("\n")


@needs_mlx
@pytest.mark.parametrize("expression", CASES)
def test_as_mlx(expression):
    check_same(expression)


PRINTED = """
mx.array([])
mx.zeros((0, 3))
mx.zeros((2, 0))
mx.zeros((3, 0, 2))
mx.zeros((2, 3, 0), mx.int8)
mx.arange(7)
mx.arange(6)
mx.arange(1000).reshape(10, 100)
mx.zeros((2, 2, 2))
z
b
c
n
h
mx.array([1e-10, 1e10, 123456.789, 0.1])
mx.array([1, -2])
mx.array(True)
a[:0]
mx.float32
mx.array([1.5], dtype=mx.bfloat16)
""".strip().split("\n")


@needs_mlx
@pytest.mark.parametrize("expression", PRINTED)
def test_printed_as_mlx(expression):
    import mlx.core as mlx
    from mlx_cases import inputs

    ours, theirs = repr(eval(expression, inputs(mx))), repr(eval(expression, inputs(mlx)))
    assert ours.replace("uma.core", "mlx.core") == theirs


def test_empty_arrays_print_their_axes():
    assert repr(mx.zeros((2, 0))) == "array([[],\n       []], dtype=float32)"
    assert repr(mx.zeros((0, 3))) == "array([], dtype=float32)"


def test_what_mlx_does_otherwise():
    assert mx.array(np.arange(6)[::-2]).tolist() == [5, 3, 1], "negative strides"
    assert str(mx.full((2,), 1.5, mx.int32).dtype) == "uma.core.int32"
    assert (mx.array(1) != None) is True  # noqa: E711


def test_large_integers():
    assert isinstance(raised("mx.array(2**64)"), (ValueError, OverflowError))
    assert isinstance(raised("mx.array([2**64])"), (ValueError, OverflowError))
    assert mx.array(2**63 - 1).item() == 2**63 - 1


def test_memory_is_shared_with_numpy():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    a = mx.asarray(x)
    x[0, 0] = 9
    assert a[0, 0].item() == 9, "asarray views"
    assert mx.array(x)[0, 0].item() == 9
    b = mx.array(x)
    x[0, 0] = 4
    assert b[0, 0].item() == 9, "array copies"
    out = mx.arange(6)
    mx.eval(out)
    for view in (np.asarray(out), np.from_dlpack(out), np.frombuffer(memoryview(out), np.int32)):
        assert view.tolist() == list(range(6))
    first, second = np.asarray(out), np.asarray(out)
    assert np.shares_memory(first, second)
    assert np.asarray(out[::2]).strides == (8,)
    del out
    gc.collect()
    assert first.tolist() == list(range(6)), "NumPy keeps the memory alive"


def test_a_view_of_foreign_memory_is_not_written():
    x = np.zeros(4, np.float32)
    a = mx.asarray(x)
    a += 1
    mx.eval(a)
    b = mx.asarray(x)
    b[0] = 5
    mx.eval(b)
    assert x.tolist() == [0, 0, 0, 0] and b.tolist() == [5, 0, 0, 0]


@pytest.mark.parametrize("dtype", ["bool_", "uint8", "int64", "float16", "bfloat16", "float64", "complex64"])
def test_pickles_and_copies(dtype):
    a = mx.arange(6).astype(getattr(mx, dtype)).reshape(2, 3).T
    for b in (pickle.loads(pickle.dumps(a)), copy.copy(a), copy.deepcopy(a)):
        assert b.dtype == a.dtype and b.shape == a.shape and a.tolist() == b.tolist()
    assert pickle.loads(pickle.dumps(a.dtype)) == a.dtype
    c = copy.copy(a)
    c[0] = 0
    assert a.tolist() != c.tolist()
    empty = pickle.loads(pickle.dumps(mx.zeros((0, 3))))
    assert empty.shape == (0, 3)


def test_broken_pickles_are_errors():
    state = mx.arange(3).__getstate__()
    for bad in [(state[0], "nonsense", state[2]), ((2**40,), state[1], state[2]), ((-1,), state[1], state[2])]:
        with pytest.raises((ValueError, RuntimeError, MemoryError)):
            mx.array.__new__(mx.array).__setstate__(bad)


def test_threads_evaluate_at_once():
    x = mx.arange(10000).astype(mx.float32)
    shared = (x * 2).sum()  # one graph, evaluated by whoever comes first
    failures = []

    def work(k):
        try:
            for i in range(50):
                y = mx.sin(x + k) @ mx.cos(x + i)
                z = (x[::3] * k).sum() + shared
                mx.eval(y, z)
                a = mx.zeros((5,))
                a[k % 5] = k
                if a.tolist()[k % 5] != k or abs(z.item() - (k * 16668333 + 99990000)) > 4096:
                    failures.append((k, i, z.item()))
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures, failures[:3]


LOOPS = [
    lambda a: a + 1, lambda a: a[0], lambda a: a[mx.array([0, 1])], lambda a: mx.array([1, 2]), lambda a: a.tolist(),
    lambda a: np.asarray(a), lambda a: mx.array(np.zeros(2)), lambda a: a.at[0].add(1), lambda a: mx.einsum("i,i", a, a),
    lambda a: mx.unstack(a), lambda a: repr(a), lambda a: memoryview(a), lambda a: mx.eval(a * 2), lambda a: raised_quietly(a),
]


def raised_quietly(a):
    try:
        a.sum(axis=9)
    except IndexError:
        return None


@pytest.mark.parametrize("which", range(len(LOOPS)))
def test_nothing_leaks(which):
    a, f = mx.array([1.0, 2.0]), LOOPS[which]
    for _ in range(200):
        f(a)
    gc.collect()
    blocks, memory = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sys.getrefcount(a)
    for _ in range(10000):
        f(a)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 300
    assert sys.getrefcount(a) == count
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 8192, "KiB that stay"


def test_print_options_come_back_as_they_were():
    plain = repr(mx.array(1 / 3))
    before = mx.get_printoptions().precision
    assert before == mx.PrintOptions().precision == -1
    mx.set_printoptions(precision=2)
    assert mx.get_printoptions().precision == 2 and repr(mx.array(1 / 3)) == "array(0.33, dtype=float32)"
    with mx.printoptions(precision=4):
        assert repr(mx.array(1 / 3)) == "array(0.3333, dtype=float32)"
    mx.set_printoptions(precision=before)
    assert repr(mx.array(1 / 3)) == plain
