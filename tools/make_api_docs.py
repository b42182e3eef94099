#!/usr/bin/env python3
"""Writes the reference of the Python package from its docstrings: a page a module, in Markdown.

PYTHONPATH=build/release/python python3 tools/make_api_docs.py build/docs
"""

import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python" / "tests"))
import public  # noqa: E402

_LABEL = re.compile(r"^(shapes|dtype|dtypes|errors|error|source|units|[a-z_]+(?:, [a-z_]+)*)( {2,})(\S.*)$")


def signature_of(name, thing, doc):
    """The signature, and the docstring without it: bindings have it in their first line."""
    first, _, rest = doc.partition("\n")
    if first.startswith((f"{name}(", f"{getattr(thing, '__name__', name)}(")):
        return first, rest.strip("\n")
    try:
        return f"{name}{inspect.signature(thing)}", doc
    except (TypeError, ValueError):
        return name, doc


def markdown(doc):
    """A docstring as Markdown: labelled lines as a list, examples as code, the rest as it stands."""
    out, code = [], False
    for line in doc.splitlines():
        starts = line.lstrip().startswith(">>> ")
        if starts and not code:
            out += ["", "```python"]
            code = True
        elif code and not line.strip():
            out += ["```", ""]
            code = False
            continue
        label = None if code else _LABEL.match(line)
        if label:
            out.append(f"- *{label.group(1)}* {label.group(3)}")
        elif not code and line.startswith("   ") and out and out[-1].startswith("- *"):
            out[-1] += " " + line.strip()
        else:
            out.append(line)
    return "\n".join([*out, "```"] if code else out).strip()


def entry(name, thing, level="##"):
    signature, doc = signature_of(name, thing, inspect.getdoc(thing) or "")
    lines = [f"{level} {name}", "", "```python", signature, "```", "", markdown(doc), ""]
    if inspect.isclass(thing):
        for key, member in sorted(vars(thing).items()):
            if not key.startswith("_") and (inspect.isfunction(member) or type(member).__name__.startswith("nb_")):
                lines.append(entry(f"{name}.{key}", member, level + "#"))
    return "\n".join(lines)


def page(name):
    found = list(public.members(name))
    head = (inspect.getdoc(public.module(name)) or "").strip()
    names = ", ".join(f"[{key}](#{key.lower()})" for key, _ in found)
    return f"# uma.{name}\n\n{markdown(head)}\n\n{names}\n\n" + "\n".join(entry(key, thing) for key, thing in found)


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = [*public.CORE, *public.PYTHON]
    for name in names:
        (folder / f"uma.{name}.md").write_text(page(name).rstrip() + "\n", encoding="utf-8")
    lines = ["# The Python package", ""]
    for name in names:
        first = (inspect.getdoc(public.module(name)) or "").split("\n")[0]
        lines.append(f"- [uma.{name}](uma.{name}.md): {first}")
    (folder / "index.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(folder / "index.md")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_api_docs.py FOLDER")
    main(sys.argv[1])
