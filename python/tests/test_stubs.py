"""The type stubs of uma.core parse, and name what the module has."""

import ast
import importlib.util
import inspect
import os

import public
import pytest
from alias import core_is_mlx

pytestmark = pytest.mark.skipif(core_is_mlx(), reason="the core is MLX's own")


def folder():
    return os.path.join(os.path.dirname(importlib.util.find_spec("uma.core").origin), "core")


def stub(name):
    """The parsed stub of uma.core or of a module in it."""
    path = os.path.join(folder(), f"{name.partition('.')[2] or '__init__'}.pyi")
    with open(path, encoding="utf-8") as file:
        return ast.parse(file.read(), path)


def names_in(tree):
    """What a stub defines, by name."""
    found = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.setdefault(node.name, node)
        elif isinstance(node, ast.AnnAssign):
            found[node.target.id] = node
        elif isinstance(node, ast.Assign):
            found.update((target.id, node) for target in node.targets)
        elif isinstance(node, ast.ImportFrom):
            found.update((alias.asname or alias.name, node) for alias in node.names)
    return found


@pytest.mark.parametrize("name", public.CORE)
def test_every_public_name_is_in_the_stub(name):
    module = public.module(name)
    wanted = {n for n in dir(module) if not n.startswith("_") and getattr(module, n) is not None}
    assert wanted - set(names_in(stub(name))) == set()


def test_methods_of_arrays_are_in_the_stub():
    node = names_in(stub("core"))["array"]
    found = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
    found |= {t.id for n in node.body if isinstance(n, ast.Assign) for t in n.targets}
    core = public.module("core")
    assert {n for n in dir(core.array) if not n.startswith("_")} - found == set()


def test_every_type_that_a_stub_names_is_known():
    """Names of annotations are builtins, or imported or defined in the stub."""
    import builtins

    for name in public.CORE:
        tree = stub(name)
        known = set(names_in(tree)) | set(dir(builtins))
        for node in tree.body:
            if isinstance(node, ast.Import):
                known |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            parts = [a.annotation for a in ast.walk(function.args) if isinstance(a, ast.arg)] + [function.returns]
            for part in filter(None, parts):
                used = {n.id for n in ast.walk(part) if isinstance(n, ast.Name)}
                assert used <= known, f"uma.{name}.{function.name}: {used - known}"


def test_the_package_says_that_it_is_typed():
    import uma

    assert os.path.exists(os.path.join(os.path.dirname(inspect.getfile(uma)), "py.typed"))
