"""Type stubs of uma.core from the built module: python make_stubs.py PACKAGE_ROOT

PACKAGE_ROOT holds uma/, with the module. nanobind's stubgen writes what the bindings say, into uma/core; what a binding
cannot say is put right here. A rule that finds nothing to put right is an error: then the binding says it by now.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

#: pattern -> what a type checker should see instead
RULES = [
    # in place, an array stays one
    (r"(def __i\w+__\(self, other: scalar \| array\)) -> object", r"\1 -> array"),
    # functions go in, and functions come out
    (r"\b(fun?|f): object\b", r"\1: Callable[..., Any]"),
    (r"(def (?:value_and_grad|grad|vmap|checkpoint)\(.*\)) -> object", r"\1 -> Callable[..., Any]"),
    # Python objects that depend on the arguments
    (r"-> object\b", "-> Any"),
    # private classes, by what they can do
    (r"-> _PrintScope\b", "-> contextlib.AbstractContextManager[None]"),
    (r"-> _CompiledFunction\b", "-> Callable[..., Any]"),
    (r"-> _ArrayNamespaceInfo\b", "-> Any"),
    (r"\bstate: _RandomState\b", "state: Sequence[uma.core.array]"),
    # stubgen takes a trailing underscore for private
    (r"\n(uint8: Dtype = \.\.\.)\n", r"\nbool_: Dtype = ...\n\n\1\n"),
    (r"(def shape\(self\)) -> tuple:", r"\1 -> tuple[int, ...]:"),
]
_SCALAR = "scalar: TypeAlias = int | float | complex  # what arithmetic takes beside an array"


def generate(root, out):
    """Runs stubgen; the module that is described is the one in root, whatever is installed."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
    }
    where = "import uma.core; print(uma.core.__file__)"
    found = subprocess.run([sys.executable, "-c", where], env=env, cwd=out, capture_output=True, text=True, check=True)
    if Path(root).resolve() not in Path(found.stdout.strip()).resolve().parents:
        sys.exit(f"make_stubs: uma.core comes from {found.stdout.strip()}, not from {root}")
    command = [sys.executable, "-m", "nanobind.stubgen", "-q", "-r", "-m", "uma.core", "-O", str(out)]
    subprocess.run(command, env=env, cwd=out, check=True)
    return out / "core"


def put_right(folder):
    used = set()
    for path in sorted(folder.glob("*.pyi")):
        text = path.read_text(encoding="utf-8")
        for pattern, replacement in RULES:
            text, count = re.subn(pattern, replacement, text)
            if count:
                used.add(pattern)
        imports = [
            "from collections.abc import Callable",
            "from typing import Any, TypeAlias",
            "import contextlib",
            "import pathlib",
            "import typing",
        ]
        wanted = [line for line in imports if not re.search(rf"^{re.escape(line)}$", text, re.M)]
        if path.name != "__init__.pyi":
            wanted.append("from uma.core import array, scalar")
        head = "\n".join(wanted) + "\n" + ("\n" + _SCALAR + "\n" if path.name == "__init__.pyi" else "")
        # behind the docstring of the module
        end = re.match(r'\s*(""".*?"""\n)?', text, re.S).end()
        path.write_text(text[:end] + "\n" + head + text[end:], encoding="utf-8")
    idle = [pattern for pattern, _ in RULES if pattern not in used]
    if idle:
        sys.exit(f"make_stubs: nothing to put right for {idle}")


def main(root):
    root = Path(root).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        made = generate(root, Path(scratch))
        put_right(made)
        target = root / "uma" / "core"
        target.mkdir(exist_ok=True)
        for old in target.glob("*.pyi"):
            old.unlink()
        for path in made.glob("*.pyi"):
            (target / path.name).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main(sys.argv[1])
