"""scan, while_loop and cond against the loops that they stand for."""

import pytest
import uma.core as mx


def _step(carry, x):
    return carry * 0.5 + x, {"y": mx.sin(carry), "pair": (x, None)}


@pytest.fixture(autouse=True)
def _enabled():
    mx.enable_compile()
    yield
    mx.disable_compile()


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_a_loop(reverse):
    xs = mx.random.normal((5, 3), key=mx.random.key(0))
    carry, ys = mx.scan(_step, mx.zeros(3), xs, reverse=reverse)
    wanted, rows = mx.zeros(3), [None] * 5
    for i in reversed(range(5)) if reverse else range(5):
        rows[i] = mx.sin(wanted)
        wanted = wanted * 0.5 + xs[i]
    assert carry.tolist() == wanted.tolist()
    assert ys["y"].tolist() == mx.stack(rows).tolist()
    assert ys["pair"][0].tolist() == xs.tolist() and ys["pair"][1] is None


def test_scan_without_xs():
    carry, ys = mx.scan(lambda c, x: (c + 1, c), mx.array(0), length=3)
    assert (carry.item(), ys.tolist()) == (3, [0, 1, 2])
    assert mx.scan(lambda c, x: (c, c), mx.array(7), length=0)[1] is None


def test_scan_has_gradients_and_compiles():
    def loss(w, xs):
        carry, ys = mx.scan(lambda c, x: (mx.tanh(c * w + x), c * c), mx.zeros(3), xs)
        return carry.sum() + ys.sum()

    xs = mx.random.normal((4, 3), key=mx.random.key(1))
    w = mx.array(0.7)
    slope = mx.grad(loss)(w, xs).item()
    h = 1e-2
    assert slope == pytest.approx((loss(w + h, xs).item() - loss(w - h, xs).item()) / (2 * h), rel=1e-3)
    compiled = mx.compile(mx.grad(loss))
    for _ in range(2):
        assert compiled(w, xs).item() == slope


def test_scan_refuses():
    for xs, length in [(None, None), (mx.zeros((2, 2)), 3), ([mx.zeros(2), mx.zeros(3)], None), (mx.array(1), None)]:
        with pytest.raises(ValueError, match="scan"):
            mx.scan(lambda c, x: (c, x), mx.array(0), xs, length)
    with pytest.raises(ValueError, match="trees of arrays"):
        mx.scan(lambda c, x: (c, "y"), mx.array(0), length=1)


def test_while_loop_and_cond():
    assert mx.while_loop(lambda v: v[0] < 10, lambda v: (v[0] + 3, v[1] * 2), (mx.array(1), mx.array(1)))[1].item() == 8
    for pred in (mx.array(True), mx.array(0)):
        got = mx.cond(pred, lambda a, b: a, lambda a, b: b, mx.array(1), mx.array(2)).item()
        assert got == (1 if pred.item() else 2)
    assert mx.grad(lambda x: mx.cond(x > 0, lambda v: v * v, lambda v: -v, x))(mx.array(3.0)).item() == 6


def test_values_are_not_read_within_compile_and_vmap():
    def chosen(x):
        return mx.cond(x.sum() > 0, lambda v: v, lambda v: -v, x)

    for transformed in (mx.compile(chosen), mx.vmap(chosen)):
        with pytest.raises(ValueError, match="value"):
            transformed(mx.ones((2, 2)))
