"""Functions through files: against themselves, and every way of calling against MLX."""

import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
import uma.core as mx
import uma.nn as nn

try:
    import mlx.core as mlx

    mlx.set_default_device(mlx.cpu)
except ImportError:
    mlx = None

needs_mlx = pytest.mark.skipif(mlx is None, reason="mlx is not installed")
GOLDEN = Path(__file__).with_name("golden") / "export.json"


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "f.mlxfn")


def outcome(core, call):
    """What a call gives, or the class of its error: comparable between two implementations."""
    try:
        result = call()
    except Exception as error:
        return type(error).__name__

    def plain(x):
        if isinstance(x, core.array):
            return (str(x.dtype).rpartition(".")[2], tuple(x.shape), x.tolist())
        return type(x)(plain(i) for i in x) if isinstance(x, (tuple, list)) else x

    return plain(result)


X, Y = [1.0, 2.0], [[1, 2], [3, 4]]


def ways_to_export(core):
    """By name: arguments of an export, and ways to call what was written."""
    x, y = core.array(X), core.array(Y)

    def minus(a, b):
        return a - b

    def scaled(a, b, *, c):
        return a - b * c

    places = [lambda f: f(x, y), lambda f: f((x, y)), lambda f: f([x, y]), lambda f: f((x, y), {}),
              lambda f: f(x, b=y), lambda f: f(a=x, b=y), lambda f: f(b=y, a=x), lambda f: f(b=x, a=y),
              lambda f: f(x), lambda f: f(), lambda f: f(x, y, x), lambda f: f(x, 1), lambda f: f(x, Y),
              lambda f: f(x, None), lambda f: f("x", y), lambda f: f(x, y, {}), lambda f: f(((x, y),)),
              lambda f: f(x, core.array([[1, 2]])), lambda f: f(x, y.astype(core.float32))]
    named = [lambda f: f(x, y, c=x), lambda f: f((x, y), {"c": x}), lambda f: f([x, y], {"c": x}),
             lambda f: f((x, y), {"c": x}, c=x), lambda f: f(x, y, x), lambda f: f(x, y, w=x), lambda f: f({"c": x}),
             lambda f: f(x, y, {"c": x}), lambda f: f(x, y, c=x, w=x), lambda f: f(a=x, b=y, c=x),
             lambda f: f((x, y), c=x), lambda f: f(c=x), lambda f: f((x,), {"b": y, "c": x})]
    return {
        "places": (minus, (x, y), {}, places),
        "tuple": (minus, ((x, y),), {}, places),
        "list": (minus, ([x, y],), {}, places),
        "tuple and dict": (minus, ((x,), {"b": y}), {}, places),
        "names": (minus, (), {"a": x, "b": y}, places),
        "dict": (minus, ({"a": x, "b": y},), {}, places),
        "both": (scaled, (x, y), {"c": x}, named),
        "dict and name": (scaled, ((x, y), {"c": x}), {"d": x}, named),
        "tuple and name": (scaled, ((x, y),), {"c": x}, named),
        "array and dict": (minus, (x, {"b": y}), {}, places),
        "a number": (minus, (x, 1), {}, []),
        "None": (minus, (x, None), {}, []),
        "nested": (minus, ([x, [y]],), {}, []),
        "no arguments": (lambda: core.ones(3), (), {}, [lambda f: f(), lambda f: f(()), lambda f: f({})]),
    }


def export_and_call(core, folder, name):
    path = f"{folder}/f"
    fun, args, kwargs, calls = ways_to_export(core)[name]
    out = [outcome(core, lambda: core.export_function(path, fun, *args, **kwargs))]
    if out[0] is not None:
        return out
    f = core.import_function(path)
    return out + [outcome(core, lambda: call(f)) for call in calls]


def same_as_in_mlx(family, name, folder):
    """Our outcome, and MLX's: live, or frozen by tools/make_export_goldens.py."""
    got = json.loads(json.dumps(FAMILIES[family](mx, folder, name)))
    if mlx is None:
        assert got == json.loads(GOLDEN.read_text())[family][name]
    else:
        assert got == json.loads(json.dumps(FAMILIES[family](mlx, folder, name)))


@pytest.mark.parametrize("name", ways_to_export(mx))
def test_calls_as_in_mlx(name, tmp_path):
    same_as_in_mlx("calls", name, tmp_path)


def test_names_bind_by_name(path):
    """MLX sorts a known and an unknown name together, and swaps these two."""
    x = mx.array(X)
    mx.export_function(path, lambda a, b: a - b, x, b=x)
    f = mx.import_function(path)
    for call in (lambda: f(z=3 * x, b=x), lambda: f(a=3 * x, b=x), lambda: f(3 * x, b=x)):
        assert call()[0].tolist() == [2, 4]


RESULTS = {
    "one": lambda core, x: x * 1,
    "tuple": lambda core, x: (x, x + 1),
    "list": lambda core, x: [x, x + 1],
    "empty": lambda core, x: (),
    "dict": lambda core, x: {"a": x},
    "None": lambda core, x: None,
    "number": lambda core, x: 1,
    "nested": lambda core, x: ((x,), x),
    "mixed": lambda core, x: (x, 1),
}


def results(core, folder, name):
    x, path = core.array(X), f"{folder}/f"
    first = outcome(core, lambda: core.export_function(path, lambda x: RESULTS[name](core, x), x))
    return first if first is not None else outcome(core, lambda: core.import_function(path)(x))


@pytest.mark.parametrize("name", RESULTS)
def test_results_as_in_mlx(name, tmp_path):
    same_as_in_mlx("results", name, tmp_path)


def misuse(core, folder):
    x = core.array(X)

    def twice():
        with core.exporter(f"{folder}/twice", lambda x: x) as e:
            e(x), e(x + 1)

    def shapeless_twice():
        with core.exporter(f"{folder}/twice", lambda x: x, shapeless=True) as e:
            e(x), e(core.ones(5))

    def closed():
        e = core.exporter(f"{folder}/closed", lambda x: x)
        e.close(), e.close()
        e(x)

    def fails():
        with core.exporter(f"{folder}/fails", lambda x: x) as e:
            e(x)
            raise KeyError("x")

    def reads(x):
        return x if x.sum().item() > 0 else -x

    def text():
        Path(f"{folder}/text").write_text("hello, world, this is no function")
        core.import_function(f"{folder}/text")

    return {
        "twice": twice, "shapeless twice": shapeless_twice, "closed": closed, "fails": fails,
        "raises": lambda: core.export_function(f"{folder}/f", lambda x: 1 / 0, x),
        "reads": lambda: core.export_function(f"{folder}/f", reads, x),
        "no folder": lambda: core.export_function("/no/such/folder", lambda x: x, x),
        "exporter, no folder": lambda: core.exporter("/no/such/folder", lambda x: x),
        "no name": lambda: core.export_function("", lambda x: x, x),
        "no file": lambda: core.import_function(f"{folder}/none"),
        "text": text,
        "folder": lambda: core.import_function(str(folder)),
        "no function": lambda: core.export_function(f"{folder}/f", 3, x),
        "no target": lambda: core.export_function(3, lambda x: x, x),
        "exporter to 3": lambda: core.exporter(3, lambda x: x),
        "positional": lambda: core.exporter(f"{folder}/f", lambda x: x, True),
        "import 3": lambda: core.import_function(3),
        "metadata and callback": lambda: core.export_function(lambda d: None, lambda x: x, x, metadata="m"),
        "callback fails": lambda: core.export_function({}.__getitem__, lambda x: x, x),
    }


def errors(core, folder, name):
    return outcome(core, misuse(core, folder)[name])


@pytest.mark.parametrize("name", misuse(mx, ""))
def test_errors_as_in_mlx(name, tmp_path):
    assert isinstance(errors(mx, tmp_path, name), str)
    same_as_in_mlx("errors", name, tmp_path)


FAMILIES = {"calls": export_and_call, "results": results, "errors": errors}
NAMES = {"calls": ways_to_export(mx), "results": RESULTS, "errors": misuse(mx, "")}


def model_and_input():
    mx.random.seed(3)
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 2, bias=False))
    return model, mx.random.normal((5, 4))


def test_a_model_and_its_gradient(path):
    model, x = model_and_input()
    mx.export_function(path, model, x)
    f = mx.import_function(path)
    assert mx.array_equal(f(x)[0], model(x)).item()

    def loss(x):
        return model(x).square().sum()

    mx.export_function(path, mx.grad(loss), x)
    assert mx.array_equal(mx.import_function(path)(x)[0], mx.grad(loss)(x)).item()
    assert mx.array_equal(mx.grad(lambda x: f(x)[0].square().sum())(x), mx.grad(loss)(x)).item()
    assert mx.array_equal(mx.compile(f)(x)[0], model(x)).item()
    mx.export_function(path, mx.vmap(lambda r: model(r[None])[0]), x)
    assert mx.array_equal(mx.import_function(path)(x)[0], mx.vmap(lambda r: model(r[None])[0])(x)).item()
    assert mx.array_equal(mx.vmap(lambda r: f(x + r)[0])(x[:, None]), mx.stack([model(x + r) for r in x])).item()


def test_shapeless_model(path):
    model, x = model_and_input()
    mx.export_function(path, model, x, shapeless=True)
    f = mx.import_function(path)
    for rows in (5, 2, 9):
        x = mx.random.normal((rows, 4))
        assert mx.array_equal(f(x)[0], model(x)).item()
    with pytest.raises(ValueError, match="import_function"):
        f(mx.ones((2, 5, 4)))
    with pytest.raises(ValueError):
        f(mx.ones((2, 5)))


def test_in_another_process(path):
    model, x = model_and_input()
    mx.export_function(path, model, x, metadata='{"layers": 4}')
    code = ("import sys, uma.core as mx\nf, m = mx.import_function(sys.argv[1], return_metadata=True)\n"
            "print(m, f(mx.array(eval(sys.argv[2])))[0].tolist())")
    run = subprocess.run([sys.executable, "-c", code, path, repr(x.tolist())], capture_output=True, text=True)
    assert run.stdout.strip() == f'{{"layers": 4}} {model(x).tolist()}', run.stderr


def test_exporter(path):
    weights = mx.random.normal((10000,))

    def total(*args, scale=None):
        out = sum(args, weights)
        return out if scale is None else out * scale

    x = mx.ones(10000)
    with mx.exporter(path, total) as e:
        e(x)
        e(x, x)
        e(x, scale=mx.array(3.0))
        assert not os.path.exists(path)
    assert os.path.getsize(path) < 45000  # the weights are there once
    f = mx.import_function(path)
    for args, kwargs in [((x,), {}), ((x, x), {}), ((x,), {"scale": mx.array(3.0)})]:
        assert mx.array_equal(f(*args, **kwargs)[0], total(*args, **kwargs)).item()
    with pytest.raises(ValueError) as error:
        f(x, scale=mx.array(3))
    assert str(error.value) == (
        "[import_function] called with (float32 (10000,), scale: int32 ()), and it takes (float32 (10000,)), "
        "(float32 (10000,), float32 (10000,)), (float32 (10000,), scale: float32 ())")
    assert repr(f).startswith("<imported function of (float32 (10000,)), ")
    with pytest.raises(KeyError):
        with mx.exporter(path, total) as e:
            e(x)
            raise KeyError
    assert mx.import_function(path)(x, x)[0].shape == (10000,)  # as it was
    assert os.listdir(os.path.dirname(path)) == ["f.mlxfn"]


def test_custom_functions_are_what_they_did(path):
    @mx.custom_function
    def f(x):
        return mx.sin(x) * 2

    @f.vjp
    def f_vjp(primals, cotangent, output):
        return cotangent * 100

    x = mx.array(X)
    mx.export_function(path, f, x)
    g = mx.import_function(path)
    assert mx.array_equal(g(x)[0], f(x)).item()
    assert mx.allclose(mx.grad(lambda x: g(x)[0].sum())(x), 2 * mx.cos(x)).item()
    mx.export_function(path, mx.grad(lambda x: f(x).sum()), x)
    assert mx.import_function(path)(x)[0].tolist() == [100, 100]
    mx.export_function(path, mx.checkpoint(f), x)
    assert mx.array_equal(mx.import_function(path)(x)[0], f(x)).item()


def test_random_numbers_repeat(path):
    mx.export_function(path, lambda x: x + mx.random.uniform(shape=(2,)), mx.zeros(2))
    f = mx.import_function(path)
    assert f(mx.zeros(2))[0].tolist() == f(mx.zeros(2))[0].tolist()
    assert mx.random.uniform(shape=(2,)).tolist() != mx.random.uniform(shape=(2,)).tolist()


def told(core, fun, *args, **kwargs):
    out = []
    core.export_function(out.append, fun, *args, **kwargs)
    return out


def test_callback():
    x, y = mx.array(X), mx.array(Y)
    out = told(mx, lambda x, *, z: (mx.sin(x) + z * mx.array([5.0, 6.0]), mx.max(z, axis=0)), x, z=y)
    f, i = mx.float32, mx.int32
    assert out[0] == {"type": "inputs", "inputs": [("A", (2,), f), ("B", (2, 2), i)]}
    assert out[1] == {"type": "keyword_inputs", "keywords": [("z", "B")]}
    assert out[2] == {"type": "outputs", "outputs": [("C", (2, 2), f), ("D", (2,), i)]}
    assert out[3]["type"] == "constants"
    assert [(n, a.tolist()) for n, a in out[3]["constants"]] == [("E", [5, 6])]
    assert {"type": "primitive", "name": "sin", "arguments": [], "inputs": [("A", (2,), f)],
            "outputs": [("F", (2,), f)]} in out
    casts = [d for d in out if d.get("name") == "astype"]
    assert [d["arguments"] for d in casts] == [[f]]
    assert [d["arguments"] for d in out if d.get("name") == "reduce"] == [[2, [0]]]
    assert [n for d in out[4:] for n, *_ in d["outputs"]].count("C") == 1
    # Every input was made before it is read.
    known = {n for n, *_ in out[0]["inputs"]} | {n for n, _ in out[3]["constants"]}
    for d in out[4:]:
        assert {n for n, *_ in d["inputs"]} <= known
        known |= {n for n, *_ in d["outputs"]}


@needs_mlx
def test_callback_as_in_mlx():
    def fun(core):
        return lambda *a: sum(a) * 2

    ours = told(mx, fun(mx), *[mx.array(float(i)) for i in range(60)])
    theirs = told(mlx, fun(mlx), *[mlx.array(float(i)) for i in range(60)])
    for a, b in zip(ours[:3], theirs[:3], strict=True):
        assert {k: str(v).replace("uma.core", "mlx.core") for k, v in a.items()} == {k: str(v) for k, v in b.items()}
    assert {frozenset(d) for d in ours} == {frozenset(d) for d in theirs}


def test_spoiled_files(path):
    x = mx.array(X)
    mx.export_function(path, lambda x: mx.softmax(x * mx.array([2.0, 3.0])), x)
    with open(path, "rb") as f:
        good = f.read()
    for at in range(0, len(good), 3):
        for bad in (good[:at], good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]):
            with open(path, "wb") as f:
                f.write(bad)
            try:
                mx.eval(mx.import_function(path)(x))
            except (RuntimeError, ValueError) as error:
                assert "\n" not in str(error)
    with open(path, "wb") as f:
        f.write(good[:-1])
    with pytest.raises(RuntimeError, match=r"\[import_function\] .*f.mlxfn: it ends before the constant float32"):
        mx.import_function(path)


def test_from_several_threads(path):
    def fun(x):
        return x * 2 + 1

    e = mx.exporter(path, fun)
    threads = [threading.Thread(target=lambda n=n: e(mx.ones(n))) for n in range(1, 9)]
    [t.start() for t in threads], [t.join() for t in threads]
    e.close()
    f, wrong = mx.import_function(path), []

    def use(n):
        for _ in range(20):
            if f(mx.ones(n))[0].tolist() != [3] * n:
                wrong.append(n)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(1, 9)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert not wrong


def test_nothing_is_kept(path):
    class Model:
        def __call__(self, x):
            return x + 1

    model = Model()
    gone = weakref.ref(model)
    mx.export_function(path, model, mx.ones(3))
    with mx.exporter(path, model) as e:
        e(mx.ones(3))
        model.exporter = e  # a ring, which ends with the context
    del model, e
    gc.collect()
    assert gone() is None
