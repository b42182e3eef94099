#!/usr/bin/env python3
"""Makes docs/mlx-names.md: every public name of MLX 0.32.4, and whether uma has it, better, or not.

    PYTHONPATH=build/release/python python3 tools/mlx_names.py            # writes it
    PYTHONPATH=build/release/python python3 tools/mlx_names.py --check    # exit code 1 where it is stale

The names are looked up in the live package; what is better or missing is told by tools/mlx_notes.txt.
"""

import argparse
import fnmatch
import importlib
import inspect
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ROOT / "python" / "tests" / "golden" / "mlx_names.txt"
NOTES = ROOT / "tools" / "mlx_notes.txt"
TABLE = ROOT / "docs" / "mlx-names.md"

_HEAD = """# MLX's names

Every public name of MLX 0.32.4 and what it is here, looked up in the built package by `tools/mlx_names.py`. **same**:
the same call gives the same result, dtype and class of error; **better**: and more than MLX's CPU build gives;
**missing**: not here, or here only to say so. A program that imports `mlx` gets these under their old names from
`python -m uma.mlx`.
"""


def names():
    return NAMES.read_text().split()


_NOTHING = object()


def exists(name):
    """Whether uma has what a name of MLX stands for."""
    parts = ["uma", *name.split(".")[1:]]
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            if inspect.getattr_static(found, part, _NOTHING) is _NOTHING and not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def notes():
    """Name -> (status, reason), wildcards filled in. Raises ValueError for a line that names nothing."""
    known, out = names(), {}
    for number, line in enumerate(NOTES.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        head, _, reason = line.partition(" : ")
        status, *patterns = head.split()
        if status not in ("same", "better", "missing") or (status != "same" and not reason):
            raise ValueError(f"{NOTES.name}:{number}: needs 'better NAME... : REASON', or missing, or same")
        for pattern in patterns:
            matching = fnmatch.filter(known, pattern)
            if not matching:
                raise ValueError(f"{NOTES.name}:{number}: MLX has no name '{pattern}'")
            out.update(dict.fromkeys(matching, (status, reason.strip())))
    return out


def rows():
    """(name, status, reason) of every name. Raises ValueError where a name is gone and no note says why."""
    said, out = notes(), []
    for name in names():
        status, reason = said.get(name, ("same", ""))
        if not exists(name) and status != "missing":
            raise ValueError(f"{name} is not in uma, and tools/mlx_notes.txt does not say why")
        out.append((name, status, reason))
    return out


def section_of(name):
    """A module, or a class with members of its own."""
    head = name.rpartition(".")[0]
    return head if head.count(".") >= 1 else name


def table():
    found = rows()
    count = {status: sum(1 for row in found if row[1] == status) for status in ("same", "better", "missing")}
    lines = [_HEAD, f"{len(found)} names: {count['same']} same, {count['better']} better, {count['missing']} missing."]
    sections = {}
    for row in found:
        sections.setdefault(section_of(row[0]), []).append(row)
    for section, members in sections.items():
        lines += ["", f"## {section}", "", "| name | here | why |", "| --- | --- | --- |"]
        lines += [f"| `{name[len(section) + 1 :]}` | {status} | {reason} |" for name, status, reason in members]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the table is stale")
    options = parser.parse_args()
    text = table()
    if not options.check:
        TABLE.write_text(text)
    elif not TABLE.exists() or TABLE.read_text() != text:
        sys.exit(f"{TABLE.name} is stale: run tools/mlx_names.py")


if __name__ == "__main__":
    main()
