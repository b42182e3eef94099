"""Every public name has a docstring, and the examples in them give what they say."""

import doctest
import importlib
import inspect
import pkgutil

import public
import pytest
import uma
from alias import core_is_mlx

PARTS = ("shapes", "dtype", "errors", "source", ">>> ")
MODULES = [
    m.name for m in pkgutil.walk_packages(uma.__path__, "uma.") if not m.name.startswith(("uma.core", "uma.mlx"))
]
# Where examples apply; elsewhere there may be some.
WITH_EXAMPLES = {"uma.utils", "uma.nn.init", "uma.nn.losses", "uma.nn.layers.upsample", "uma.optimizers.optimizers"}

needs_core = pytest.mark.skipif(core_is_mlx(), reason="the core is MLX's own")
CORE = [] if core_is_mlx() else [f"{m}.{name}" for m in public.CORE for name, _ in public.members(m)]
# What MLX and the array API have besides; uma's own documentation is of the other name.
PLAIN = {"core.ArrayLike", "core.ThreadLocalStream"}


def thing(path):
    module, _, name = path.rpartition(".")
    return getattr(public.module(module), name)


@pytest.mark.parametrize("name", MODULES)
def test_examples(world, name):
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert failed == 0
    assert tried > 0 or name not in WITH_EXAMPLES


@pytest.mark.parametrize("name", public.PYTHON)
def test_every_public_name_has_a_docstring(world, name):
    found = list(public.members(name))
    assert found
    for key, member in found:
        assert inspect.getdoc(member), f"uma.{name}.{key} has no docstring"
        for method, function in vars(member).items() if inspect.isclass(member) else ():
            if inspect.isfunction(function) and not method.startswith("_"):
                assert inspect.getdoc(getattr(member, method)), f"uma.{name}.{key}.{method} has no docstring"


@needs_core
@pytest.mark.parametrize("path", CORE)
def test_functions_of_the_core_say_what_they_take(path):
    doc = inspect.getdoc(thing(path))
    assert doc, f"uma.{path} has no docstring"
    if not inspect.isclass(thing(path)) and path not in PLAIN:
        lines = doc.splitlines()[1:]
        assert any(line.lstrip().startswith(PARTS) for line in lines), f"uma.{path}: python/docs has no entry"


@needs_core
def test_methods_of_arrays_have_docstrings():
    for name in dir(public.module("core").array):
        if not name.startswith("_"):
            assert inspect.getdoc(getattr(public.module("core").array, name)), name


@needs_core
@pytest.mark.parametrize("path", CORE)
def test_examples_of_the_core(path):
    text = thing(path).__doc__ or ""
    # An example ends where the next part begins, not at a blank line of ours.
    examples = doctest.DocTestParser().get_doctest(text, {"mx": public.module("core")}, path, None, None)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    report = []
    runner.run(examples, out=report.append)
    assert runner.failures == 0, "".join(report)


@needs_core
def test_entries_of_the_docs_are_of_functions_that_there_are():
    import sys
    from pathlib import Path

    root = Path(__file__).resolve().parents[1]
    sys.path.insert(0, str(root))
    import embed_docs

    parts = {}
    for path in (root / "docs").glob("*.txt"):
        embed_docs.read(path, parts)
    known = {name.replace("core.", "", 1) if name.count(".") > 1 else name for name in CORE}
    assert set(parts) - known == set()


@needs_core
def test_the_reference_has_every_public_name(tmp_path):
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
    import make_api_docs

    make_api_docs.main(tmp_path)
    for module in (*public.CORE, *public.PYTHON):
        text = (tmp_path / f"uma.{module}.md").read_text()
        for name, _ in public.members(module):
            assert f"\n## {name}\n" in text, f"uma.{module}.{name}"
    add = (tmp_path / "uma.core.md").read_text().partition("\n## add\n")[2].partition("\n## ")[0]
    assert "- *shapes* a and b broadcast" in add and ">>> mx.add(" in add
