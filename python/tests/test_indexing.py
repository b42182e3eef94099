"""a[...], a[...] = v and a.at[...] against NumPy, over drawn shapes, layouts and index expressions."""
import numpy as np
import pytest
import uma.core as mx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlx_cases import check_same, needs_mlx, raised

SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


def layouts(draw, shape):
    """An array of this shape in an odd layout, in both libraries."""
    kind = draw(st.sampled_from(["plain", "transposed", "strided", "reversed"]))
    size = int(np.prod(shape)) if shape else 1
    x = np.arange(size, dtype=np.int32).reshape(shape)
    if kind == "transposed":
        return x.T, mx.array(x).T
    if kind == "strided" and shape:
        wide = np.arange(2 * size, dtype=np.int32).reshape(*shape[:-1], 2 * shape[-1])
        return wide[..., ::2], mx.array(wide)[..., ::2]
    if kind == "reversed" and shape:
        return x[::-1], mx.array(x)[::-1]
    return x, mx.array(x)


def bound(draw, n):
    return draw(st.none() | st.integers(-n - 2, n + 2))


def one_part(draw, n, basic):
    kinds = ["slice", "slice", "none"] + (["integer"] if n else []) + ([] if basic or not n else ["list", "array"])
    kind = draw(st.sampled_from(kinds))
    if kind == "slice":
        return slice(bound(draw, n), bound(draw, n), draw(st.sampled_from([None, 1, 2, 3, -1, -2])))
    if kind == "none":
        return None
    if kind == "integer":
        return draw(st.integers(-n, n - 1))
    values = draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=1)) * draw(st.sampled_from([1, 2]))
    return values if kind == "list" else np.array(values, np.int32)


@st.composite
def expressions(draw, basic):
    shape = tuple(draw(st.lists(st.integers(0 if basic else 1, 4), min_size=1, max_size=4)))
    x, m = layouts(draw, shape)
    parts, axis = [], 0
    while axis < x.ndim and draw(st.integers(0, 4)):
        part = one_part(draw, x.shape[axis], basic)
        parts.append(part)
        axis += part is not None
    if axis < x.ndim and draw(st.booleans()):
        parts.append(Ellipsis)
    index = tuple(parts) if len(parts) != 1 or draw(st.booleans()) else parts[0]
    return x, m, index


def ours(index):
    convert = lambda p: mx.array(p) if isinstance(p, np.ndarray) else p
    return tuple(map(convert, index)) if isinstance(index, tuple) else convert(index)


def broadcastable(x, index):
    try:
        return x[index].shape is not None
    except IndexError:
        return False  # index arrays of lengths that do not broadcast


@SETTINGS
@given(expressions(basic=True))
def test_views_as_numpy(case):
    x, m, index = case
    np.testing.assert_array_equal(np.array(m[ours(index)]), x[index])


@SETTINGS
@given(expressions(basic=False))
def test_gathers_as_numpy(case):
    x, m, index = case
    if broadcastable(x, index):
        np.testing.assert_array_equal(np.array(m[ours(index)]), x[index])


@SETTINGS
@given(expressions(basic=False), st.sampled_from(["scalar", "full", "row"]))
def test_writes_as_numpy(case, kind):
    x, m, index = case
    if not broadcastable(x, index):
        return
    place = x[index]
    value = np.array(-7, np.int32)
    if kind == "full":
        value = -1 - np.zeros(place.shape, np.int32)
    elif kind == "row" and place.ndim:
        value = -1 - np.arange(place.shape[-1], dtype=np.int32)
        if any(isinstance(p, (list, np.ndarray)) and len(p) > 1 for p in (index if isinstance(index, tuple) else [index])):
            return  # one place may be written twice, and NumPy does not say who wins
    expected, before = x.copy(), x.copy()
    expected[index] = value
    other = m  # a second name sees the change, a copy of the value does not
    copy = mx.array(m)
    m[ours(index)] = mx.array(value) if value.ndim else int(value)
    np.testing.assert_array_equal(np.array(m), expected)
    np.testing.assert_array_equal(np.array(other), expected)
    np.testing.assert_array_equal(np.array(copy), before)


@SETTINGS
@given(st.data())
def test_masks_as_numpy(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    x, m = layouts(data.draw, shape)
    depth = data.draw(st.integers(1, x.ndim))
    bits = data.draw(st.lists(st.booleans(), min_size=int(np.prod(x.shape[:depth])), max_size=int(np.prod(x.shape[:depth]))))
    mask = np.array(bits).reshape(x.shape[:depth])
    np.testing.assert_array_equal(np.array(m[mx.array(mask)]), x[mask])
    expected = x.copy()
    expected[mask] = 5
    m[mx.array(mask)] = 5
    np.testing.assert_array_equal(np.array(m), expected)


@SETTINGS
@given(st.data())
def test_updates_add_up_as_numpy(data):
    n = data.draw(st.integers(1, 5))
    index = np.array(data.draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=6)))
    x = np.arange(n, dtype=np.int32)
    v = np.arange(1, len(index) + 1, dtype=np.int32)
    for name, ufunc in [("add", np.add), ("subtract", np.subtract), ("multiply", np.multiply), ("maximum", np.maximum), ("minimum", np.minimum)]:
        expected = x.copy()
        ufunc.at(expected, index, v)
        got = getattr(mx.array(x).at[mx.array(index.astype(np.int32))], name)(mx.array(v))
        np.testing.assert_array_equal(np.array(got), expected, err_msg=name)


CASES = """
a[0, 0, 0]
a[..., ..., 0]
a[1.5]
a['x']
a[None]
a[()]
a[...]
a[mx.array(1)]
a[mx.array([[0, 1], [1, 0]])]
a[:, mx.array([0, 2])]
a[mx.array([0, 1]), mx.array([1, 2])]
a[mx.array([0, 1]), :, None]
a[mx.array([1.0])]
a[[0, 1]]
a[mx.array([], dtype=mx.int32)]
f[0, :, mx.array([0, 1])]
f[mx.array([0, 1]), :, mx.array([0, 1])]
f[:, mx.array([0, 1]), mx.array([[0], [1]])]
f[None, mx.array([0]), ..., 0]
a[np.int32(1)]
""".strip().split("\n")


@needs_mlx
@pytest.mark.parametrize("expression", CASES)
def test_as_mlx(expression):
    check_same(expression)


def test_integers_out_of_range_are_errors():
    # MLX reads whatever lies there.
    assert isinstance(raised("a[::0]"), ValueError)
    for expression in ["a[2]", "a[-3]", "a[0, 3]"]:
        assert isinstance(raised(expression), IndexError), expression
    for expression in ["mx.eval(a[mx.array(7)])", "mx.eval(mx.take(a, mx.array([9])))"]:
        assert isinstance(raised(expression), (IndexError, ValueError)), expression


def test_more_indices_than_mlx_takes():
    a = mx.arange(6).reshape(2, 3)
    assert a[mx.array(0):mx.array(1)].tolist() == [[0, 1, 2]]
    assert a[np.array([1, 0])].tolist() == [[3, 4, 5], [0, 1, 2]]


def test_slices_are_copies_to_the_reader():
    a = mx.arange(4)
    b = a[1:3]
    b[0] = 9
    assert a.tolist() == [0, 1, 2, 3] and b.tolist() == [9, 2]
    a[1] = 7
    assert b.tolist() == [9, 2]
    c = d = mx.zeros((2,))
    c += 1
    assert d.tolist() == [1, 1], "+= changes the array that both names hold, as in MLX"
