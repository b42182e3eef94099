"""Runs a case in uma's world and compares it with MLX: live where it is installed, else with frozen results.

A case is a function of a world (the modules ``mx``, ``nn``, ``optim``, ``utils``) that returns a tree of arrays,
numbers and strings. ``tools/make_nn_goldens.py`` writes what MLX returns for all cases to the golden file.
"""

import gzip
import importlib
import importlib.util
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np

GOLDEN = Path(__file__).with_name("golden") / "nn.json.gz"


class World(SimpleNamespace):
    """The four modules of an implementation, and inputs that do not depend on its random numbers."""

    def array(self, *shape, seed=0, dtype="float32", scale=1.0, low=None):
        rng = np.random.default_rng([seed, *shape])
        values = rng.standard_normal(shape) * scale if low is None else rng.uniform(low, low + scale, shape)
        return self.mx.array(values.astype(np.float32)).astype(getattr(self.mx, dtype))

    def ints(self, *shape, high, seed=0):
        return self.mx.array(np.random.default_rng([seed, *shape]).integers(0, high, shape).astype(np.int32))

    def fill(self, module, dtype="float32"):
        """Give a module's floating parameters values that depend on their paths and shapes only."""

        def value(path, array):
            if not self.mx.issubdtype(array.dtype, self.mx.floating):
                return array
            low = 0.5 if path.endswith("running_var") else None
            seed = sum(map(ord, path))
            return self.array(*array.shape, seed=seed, scale=0.5, low=low, dtype=dtype)

        module.update(self.utils.tree_map_with_path(value, module.parameters()))
        return module

    def error(self, fn, *args, **kwargs):
        """The name of the exception's class."""
        try:
            result = fn(*args, **kwargs)
            self.mx.eval(result) if isinstance(result, self.mx.array) else None
        except Exception as error:
            return type(error).__name__
        return "no error"


def _world(package, core):
    names = {"nn": "nn", "optim": "optimizers", "utils": "utils"}
    modules = {short: importlib.import_module(f"{package}.{name}") for short, name in names.items()}
    for name in ("utils", "init", "losses", "layers"):
        importlib.import_module(f"{package}.nn.{name}")
    return World(mx=importlib.import_module(core), **modules)


def uma_world():
    return _world("uma", "uma.core")


def have_mlx():
    """Whether there is an MLX to ask; UMA_TEST_ORACLE=golden asks the frozen results all the same."""
    if os.environ.get("UMA_TEST_ORACLE") == "golden":
        return False
    return importlib.util.find_spec("mlx") is not None and importlib.util.find_spec("mlx.nn") is not None


def plain(tree):
    """Arrays as {"dtype", "shape", "data"}, the rest as JSON has it."""
    if hasattr(tree, "dtype") and hasattr(tree, "shape"):
        dtype = str(tree.dtype).rpartition(".")[2]
        values = np.array(tree.tolist())
        if values.dtype.kind == "f":
            values = values.astype(np.float32 if dtype != "float64" else np.float64)
        return {"dtype": dtype, "shape": list(tree.shape), "data": values.reshape(-1).tolist()}
    if isinstance(tree, dict):
        return {str(k): plain(v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [plain(v) for v in tree]
    return tree


TOLERANCE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 1e-6}


def compare(got, want, where="", factor=1.0):
    """Equal structure, dtypes and shapes; values within the dtype's tolerance times ``factor``."""
    if isinstance(want, dict) and set(want) == {"dtype", "shape", "data"}:
        assert isinstance(got, dict) and got.get("dtype") == want["dtype"], f"{where}: {got} is not {want['dtype']}"
        assert got["shape"] == want["shape"], f"{where}: shape {got['shape']} is not {want['shape']}"
        a, b = np.array(got["data"], dtype=np.float64), np.array(want["data"], dtype=np.float64)
        tolerance = TOLERANCE.get(want["dtype"], 0) * factor
        # relative to the largest value: a sum of large terms may be a small one
        bound = tolerance * (np.abs(b) + max(1.0, float(np.max(np.abs(b[np.isfinite(b)]), initial=0))))
        same = (a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= bound)
        assert same.all(), f"{where}: off by {np.nanmax(np.abs(a - b))}: {a[~same][:5]} is not {b[~same][:5]}"
    elif isinstance(want, dict):
        assert isinstance(got, dict) and set(got) == set(want), f"{where}: {list(got)} has not the keys {list(want)}"
        for key in want:
            compare(got[key], want[key], f"{where}.{key}", factor)
    elif isinstance(want, list):
        assert isinstance(got, list) and len(got) == len(want), f"{where}: {got} is not {want}"
        for i, (g, w) in enumerate(zip(got, want)):
            compare(g, w, f"{where}.{i}", factor)
    else:
        assert got == want, f"{where}: {got!r} is not {want!r}"


_golden = None


def expected(name, case):
    """What MLX returns for a case."""
    global _golden
    if have_mlx():
        return plain(case(_world("mlx", "mlx.core")))
    if _golden is None:
        _golden = json.loads(gzip.decompress(GOLDEN.read_bytes()))
    return _golden[name]


def check(name, case, factor=1.0):
    # through JSON, so that live and frozen results have gone the same way
    got, want = (json.loads(json.dumps(t)) for t in (plain(case(uma_world())), expected(name, case)))
    compare(got, want, name, factor)
