#!/usr/bin/env python3
"""Fails if a file under src/ includes a header of a layer that its own layer may not see.

The build enforces the same by include paths; this says it in words, and before anything is compiled.
docs/ARCHITECTURE.md has a paragraph a layer.
"""
import pathlib
import re
import sys

# Layer (a folder of src/) -> the layers it stands on directly. What those may see, it may see.
DIRECT = {
    "base": [],
    "core": ["base"],
    "io": ["core"],
    "text": ["core"],
    "grammar": ["text"],
    "hub": ["io"],
    "ops": ["core"],
    "transforms": ["ops"],
    "fast": ["transforms"],
    "graph": ["fast", "io"],
    "nn": ["fast", "io"],
    "optim": ["nn"],
    "infer": ["fast"],
    "models": ["infer", "io", "text"],
    "engine": ["models", "grammar"],
    "serve": ["engine", "hub"],
    "backend/cpu/isa": ["core"],
    "backend/cpu/quant": ["backend/cpu/isa"],
    "backend/cpu/linalg": ["ops"],
    "backend/cpu": ["fast", "backend/cpu/quant"],
    "backend/null": ["core"],
    "backend": ["backend/cpu", "backend/null"],
    "uma": ["optim", "graph"],
    "cli": ["serve", "backend"],
    "": ["cli", "uma"],
}
# A test may also make the backends work.
TEST_EXTRA = ["backend"]
MAX_LINES = 1000


def layer_of(path):
    """The longest layer name that is a folder of this path ("backend/cpu/quant/qmm.h" -> "backend/cpu/quant")."""
    folder = path.rsplit("/", 1)[0] if "/" in path else ""
    while folder and folder not in DIRECT:
        folder = folder.rsplit("/", 1)[0] if "/" in folder else ""
    return folder


def visible(layer):
    seen, todo = set(), [layer]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo += DIRECT[current]
    return seen


def main():
    root = pathlib.Path(__file__).resolve().parent.parent / "src"
    faults = []
    for file in sorted(root.rglob("*")):
        if file.suffix not in (".h", ".cc"):
            continue
        name = file.relative_to(root).as_posix()
        allowed = visible(layer_of(name))
        if name.endswith("_test.cc") or name.endswith("/testing.h"):
            for extra in TEST_EXTRA:
                allowed |= visible(extra)
        lines = file.read_text(encoding="utf-8").splitlines()
        if len(lines) > MAX_LINES:
            faults.append(f"src/{name}: {len(lines)} lines; {MAX_LINES} is the limit")
        for number, line in enumerate(lines, 1):
            match = re.match(r'\s*#include\s+"([^"]+)"', line)
            if match and layer_of(match[1]) not in allowed:
                faults.append(f'src/{name}:{number}: layer "{layer_of(name)}" may not include "{match[1]}"')
    print("\n".join(faults) or "layers: in order")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
