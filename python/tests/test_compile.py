"""compile against the function itself, captured state, keys, errors."""

import gc
import inspect
import os
import subprocess
import sys
import threading
import weakref
from functools import partial

import pytest
import uma.core as mx
import uma.nn as nn
import uma.optimizers as optim
from uma.utils import tree_flatten


@pytest.fixture(autouse=True)
def _enabled():
    """conftest.py turns the oracle's compile off, by the variable that ours reads as well."""
    mx.enable_compile()
    yield
    mx.disable_compile()


class Counted:
    """A function that knows how often it was called."""

    def __init__(self, f):
        self.f, self.calls = f, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self.f(*args, **kwargs)


def test_is_the_function():
    f = Counted(lambda x, y=1.0, *, shift=0: {"a": [x * y + shift, None], "b": (3, "s")})
    c = mx.compile(f)
    x = mx.array([1.0, 2.0])
    for args, kwargs in [((x,), {}), ((x, x), {}), ((x, 2), {}), ((x, 2.0), {}), ((x,), {"shift": x})]:
        for _ in range(2):
            got, wanted = c(*args, **kwargs), f.f(*args, **kwargs)
            assert got["a"][0].tolist() == wanted["a"][0].tolist() and got["a"][1] is None
            assert got["a"][0].dtype == wanted["a"][0].dtype and got["b"] == wanted["b"]


def test_what_tells_recordings_apart():
    f = Counted(lambda x, *rest: x + 1)
    c = mx.compile(f)
    x = mx.zeros((2, 3))
    calls = [(x,), (x.T,), (x.astype(mx.float16),), (x, 1), (x, 1.0), (x, True), (x, 2), (x, "a"), (x, None), (x, [1])]
    calls += [(x, (1,)), (x, {"a": 1}), (x, {"b": 1}), (x, 2**70), (x, x)]
    for n, args in enumerate(calls):
        for _ in range(2):
            c(*args)
        assert f.calls == n + 1, args
    with mx.stream(mx.cpu):
        c(x)
    assert f.calls == len(calls)


@pytest.mark.parametrize("bad", [object(), 1j, {1}, b"b", mx.float32, len])
def test_arguments_that_are_refused(bad):
    with pytest.raises(ValueError, match="compile"):
        mx.compile(lambda x: 0)(bad)
    with pytest.raises(TypeError):
        mx.compile(3)


def test_no_arguments_and_arguments_as_results():
    assert mx.compile(lambda: mx.ones(2))().tolist() == [1, 1]
    x = mx.array([1.0])
    assert mx.compile(lambda x: (x, x))(x)[1].tolist() == [1]
    assert mx.compile(lambda x: None)(x) is None


@pytest.mark.parametrize("read", [lambda x: x.item(), bool, lambda x: x.tolist(), mx.eval, str])
def test_reading_a_value(read):
    c = mx.compile(lambda x: (read(x.sum()), x)[1])
    for _ in range(2):
        with pytest.raises(ValueError, match="no value"):
            c(mx.ones(2))


def test_shapeless():
    f = Counted(lambda x, w: (mx.softmax(x @ w, axis=-1).mean(), (x * 2).reshape(x.shape[0], -1)))
    c = mx.compile(f, shapeless=True)
    w = mx.random.normal((4, 3))
    for rows in (5, 2, 9, 2):
        x = mx.random.normal((rows, 4))
        for got, wanted in zip(c(x, w), f.f(x, w), strict=True):
            assert got.shape == wanted.shape and mx.allclose(got, wanted).item()
    assert f.calls == 1
    c = mx.compile(lambda x: x[:-1], shapeless=True)
    c(mx.ones(4))
    with pytest.raises(ValueError, match="record the function"):
        c(mx.ones(5))


def test_nested():
    def loss(w, x):
        return (mx.tanh(x @ w) ** 2).sum()

    w, x = mx.random.normal((3, 2)), mx.random.normal((5, 3))
    wanted = mx.grad(loss)(w, x).tolist()
    for f in (mx.grad(mx.compile(loss)), mx.compile(mx.grad(loss)), mx.compile(mx.grad(mx.compile(loss)))):
        for _ in range(2):
            assert f(w, x).tolist() == wanted
    mapped = mx.vmap(loss, in_axes=(None, 0))(w, x).tolist()
    for f in (mx.vmap(mx.compile(loss), in_axes=(None, 0)), mx.compile(mx.vmap(loss, in_axes=(None, 0)))):
        for _ in range(2):
            assert f(w, x).tolist() == mapped
    assert mx.vjp(mx.compile(lambda v: v * v), [w], [w])[1][0].tolist() == (2 * w * w).tolist()


def _trained(make, compiled):
    mx.random.seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
    optimizer = make()
    state = [model.state, optimizer.state, mx.random.state]
    x, y = mx.random.normal((6, 4)), mx.random.normal((6, 2))

    def step(x, y):
        loss, grads = nn.value_and_grad(model, lambda m, a, b: nn.losses.mse_loss(m(a), b))(model, x, y)
        optimizer.update(model, grads)
        return loss

    if compiled:
        step = mx.compile(step, inputs=state, outputs=state)
    losses = []
    for _ in range(4):
        losses.append(step(x, y).item())
        mx.eval(state)
    return losses, [(name, p.tolist()) for name, p in tree_flatten(model.parameters())], mx.random.state[0].tolist()


@pytest.mark.parametrize("make", [lambda: optim.SGD(0.1, momentum=0.9), lambda: optim.Adam(0.01)])
def test_a_step_of_training(make):
    assert _trained(make, True) == _trained(make, False)


def test_captured_state():
    state = {"w": mx.zeros(2), "list": [mx.ones(1)], "text": "as it is"}

    def step(x):
        state["w"] = state["w"] + x
        state["list"][0] *= 2
        state["new"] = {"x": [x]}
        return state["w"].sum()

    c = mx.compile(step, inputs=state, outputs=state)
    x = mx.array([1.0, 2.0])
    assert [c(x).item() for _ in range(3)] == [3, 6, 9]
    assert state["w"].tolist() == [3, 6] and state["list"][0].tolist() == [8]
    assert state["new"]["x"][0].tolist() == [1, 2] and state["text"] == "as it is"
    state["w"] = mx.array([10.0, 0.0])  # a value of the caller's takes part
    assert c(x).item() == 13


def test_inputs_alone_are_read_and_not_changed():
    state = [mx.array(1.0)]

    def f(x):
        state[0] = state[0] + x
        return state[0]

    c = mx.compile(f, inputs=state)
    assert [c(mx.array(2.0)).item() for _ in range(2)] == [3, 3] and state[0].item() == 1
    state[0] = mx.array(5.0)
    assert c(mx.array(2.0)).item() == 7


def test_random_numbers():
    @partial(mx.compile, inputs=mx.random.state, outputs=mx.random.state)
    def draw():
        return mx.random.uniform(shape=(2,))

    mx.random.seed(3)
    drawn = [draw().tolist() for _ in range(3)]
    mx.random.seed(3)
    assert drawn == [mx.random.uniform(shape=(2,)).tolist() for _ in range(3)]


def test_an_exception_leaves_nothing_behind():
    state = {"w": mx.array(1.0), "list": []}
    mx.random.seed(0)
    key = mx.random.state[0].tolist()

    def f(x):
        state["w"] = state["w"] + x
        state["list"].append(x)
        state["extra"] = x
        mx.random.uniform()
        raise KeyError("no")

    c = mx.compile(f, inputs=[state, mx.random.state], outputs=[state, mx.random.state])
    for _ in range(2):
        with pytest.raises(KeyError, match="no"):
            c(mx.array(2.0))
    assert state["w"].item() == 1 and state["list"] == [] and "extra" not in state
    assert mx.random.state[0].tolist() == key


def test_a_container_inside_itself():
    loop = []
    loop.append(loop)
    with pytest.raises(RecursionError):
        mx.compile(lambda: mx.array(1), inputs=loop)()
    with pytest.raises(RecursionError):
        mx.compile(lambda x: mx.array(1))(loop)


def test_the_cache_dies_with_the_function():
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)

    def f(x, held=held):
        return x + 1

    c = mx.compile(f)
    f.itself = c  # a cycle
    c(mx.ones(2))
    del f, c, held
    gc.collect()
    assert gone() is None


def test_looks_like_the_function():
    def named(x, *, y=1):
        """What it does."""
        return x

    c = mx.compile(named)
    assert (c.__name__, c.__doc__, str(inspect.signature(c))) == ("named", "What it does.", "(x, *, y=1)")


def test_switches():
    f = Counted(lambda x: x + 1)
    c = mx.compile(f)
    mx.disable_compile()
    try:
        for _ in range(2):
            c(mx.ones(1))
        assert f.calls == 2
    finally:
        mx.enable_compile()
    for _ in range(2):
        c(mx.ones(1))
    assert f.calls == 3
    program = "import uma.core as mx; n = []; c = mx.compile(lambda x: n.append(1) or x); c(mx.ones(1)); c(mx.ones(1))"
    env = {**os.environ, "MLX_DISABLE_COMPILE": "1"}
    out = subprocess.run([sys.executable, "-c", program + "; print(len(n))"], env=env, capture_output=True, text=True)
    assert out.stdout.strip() == "2", out.stderr


def test_from_several_threads():
    state = [mx.array(0.0)]

    def step(x):
        state[0] = state[0] + x
        return state[0]

    c, plain, wrong = mx.compile(step, inputs=state, outputs=state), mx.compile(lambda x: x * 2), []

    def work():
        for i in range(50):
            c(mx.array(1.0))
            if plain(mx.full((i % 3 + 1,), i)).tolist() != [2 * i] * (i % 3 + 1):
                wrong.append(i)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and state[0].item() == 200
