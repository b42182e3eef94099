"""Turns docs/*.txt into C++: python embed_docs.py OUT.cc FILE...

A file has entries; lines that belong to one are indented by two::

    # a heading
    [core: exp log]         parts that functions share
      shapes  any -> the same
    core.exp                a function's own
      >>> mx.exp(mx.array([0.0]))
      array([1], dtype=float32)
"""

import sys

_HEAD = """// Made by python/embed_docs.py of python/docs: not to be edited.
#include "docs.h"

namespace uma::python {
namespace {
constexpr DocParts kParts[] = {
"""
_TAIL = """};
}  // namespace

std::span<const DocParts> doc_parts() {
  return kParts;
}

}  // namespace uma::python
"""


def read(path, parts):
    """Adds the entries of a file: "core.exp" -> lines."""
    names, blank, heading = [], False, False
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file.read().splitlines(), 1):
            if line.startswith("  "):
                for name in names:
                    parts.setdefault(name, []).extend([""] * blank + [line[2:]])
            elif line.startswith("["):
                module, colon, rest = line.strip("[]").partition(": ")
                if not colon:
                    raise SystemExit(f"{path}:{number}: '{line}' names no module")
                # headings one under the other share what follows
                names = (names if heading else []) + [f"{module}.{name}" for name in rest.split()]
            elif line and not line.startswith("#"):
                names = [line.strip()]
            blank, heading = not line, line.startswith("[")
    return parts


def main(out, paths):
    parts = {}
    for path in paths:
        read(path, parts)
    rows = []
    for name, lines in sorted(parts.items()):
        first = next((i for i, line in enumerate(lines) if line.startswith(">>>")), 0)
        if first and lines[first - 1]:
            lines.insert(first, "")
        text = "\n".join(lines)
        rows.append(f'  {{"{name}", R"~({text})~"}},\n')
    with open(out, "w", encoding="utf-8") as file:
        file.write(_HEAD + "".join(rows) + _TAIL)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
