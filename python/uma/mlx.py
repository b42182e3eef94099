"""Runs a program written for MLX on uma: its imports of ``mlx`` get uma's modules, whether or not MLX is installed.

    python -m uma.mlx train.py --epochs 3
    python -m uma.mlx -m mlx_lm generate --model DIR --prompt "Hello"
    python -m uma.mlx --lm chat.py                     # ``mlx_lm`` is uma.lm: GGUF files, on the C++ engine

or, in a program, before anything imports ``mlx``:

    import uma.mlx
    import mlx.core as mx
"""

import argparse
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import os
import runpy
import sys
import types

#: the release of MLX whose API uma has; packages ask for it
VERSION = "0.32.4"

_ROOTS = {
    "mlx.core": "uma.core",
    "mlx.nn": "uma.nn",
    "mlx.optimizers": "uma.optimizers",
    "mlx.utils": "uma.utils",
    "mlx.extension": "uma.extension",
}


class _Distribution(importlib.metadata.Distribution):
    """What ``importlib.metadata.version("mlx")`` finds."""

    def read_text(self, filename):
        if filename == "METADATA":
            return f"Metadata-Version: 2.1\nName: mlx\nVersion: {VERSION}\nSummary: MLX's API, provided by uma\n"
        return None

    def locate_file(self, path):
        return os.path.join(os.path.dirname(__file__), path)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``mlx`` and the modules in it, lazily: a module of uma is imported when its alias is."""

    def __init__(self):
        self.roots = dict(_ROOTS)

    def _target(self, name):
        """The name in uma of an alias, or None."""
        for alias, target in self.roots.items():
            if name == alias or name.startswith(alias + "."):
                return target + name[len(alias) :]
        return None

    def find_spec(self, name, path=None, target=None):
        if name == "mlx":
            return importlib.machinery.ModuleSpec(name, self, origin="uma", is_package=True)
        if self._target(name) is not None:
            return importlib.machinery.ModuleSpec(name, self, origin="uma")
        if name.startswith("mlx."):
            raise ModuleNotFoundError(f"uma offers no {name}, only {', '.join(self.roots)}", name=name)
        return None

    def create_module(self, spec):
        if spec.name == "mlx":
            module = types.ModuleType("mlx", "MLX's API, provided by uma.")
            module.__path__ = []
            return module
        module = importlib.import_module(self._target(spec.name))
        # the import system is about to write the alias's spec into uma's module
        spec.loader_state = getattr(module, "__spec__", None)
        return module

    def exec_module(self, module):
        alias = module.__spec__
        if alias.name == "mlx":
            return
        module.__spec__ = alias.loader_state
        # A later import of these would put them into the module again, over a function of the same name.
        target = self._target(alias.name)
        for name in [n for n in sys.modules if n.startswith(target + ".")]:
            sys.modules[alias.name + name[len(target) :]] = sys.modules[name]
        if alias.name == "mlx.core":
            # an extension is no package, so the import system would not ask for the modules in it
            for name, value in vars(module).items():
                if isinstance(value, types.ModuleType) and not name.startswith("_"):
                    sys.modules[f"mlx.core.{name}"] = value

    def find_distributions(self, context=importlib.metadata.DistributionFinder.Context()):
        if context.name is None or context.name.lower() == "mlx":
            yield _Distribution()


def install(lm: bool = False):
    """Let ``import mlx`` find uma from now on; with ``lm`` also ``import mlx_lm`` find ``uma.lm``.

    May be called again. Raises ImportError if another ``mlx`` has been imported already: the program would have
    arrays of two kinds.
    """
    finder = next((f for f in sys.meta_path if isinstance(f, _Finder)), None)
    if finder is None:
        finder = _Finder()
        ours = sys.modules.get("uma.core")
        core = sys.modules.get("mlx.core")
        if core is not None and core is not ours:
            where = getattr(core, "__file__", "elsewhere")
            raise ImportError(f"mlx is already imported, from {where}: import uma.mlx before anything imports mlx")
        for name in [n for n in sys.modules if n == "mlx" or n.startswith("mlx.")]:
            del sys.modules[name]
        sys.meta_path.insert(0, finder)
    if lm:
        finder.roots["mlx_lm"] = "uma.lm"
    return finder


_LM_HELP = """give the program uma.lm under the name mlx_lm: load(MODEL) then takes a catalogue name, such as
qwen2.5-coder:0.5b, or a .gguf file, and generate() runs it on the C++ engine; without it, mlx_lm is the package of that
name, if it is installed"""


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog="python -m uma.mlx",
        usage="python -m uma.mlx [--lm] (SCRIPT | -m MODULE | -c CODE) [ARGS ...]",
        description="Run a program written for MLX on uma.",
        epilog='example: python -m uma.mlx -m mlx_lm generate --model DIR --prompt "Hello"',
    )
    parser.add_argument("--lm", action="store_true", help=_LM_HELP)
    parser.add_argument("--version", action="version", version=f"the API of MLX {VERSION}")
    # what follows the program's name is its own: take our options off by hand up to there
    ours, rest = [], list(argv)
    while rest and rest[0].startswith("--"):
        ours.append(rest.pop(0))
    if rest[:1] == ["-h"]:
        ours.append(rest.pop(0))
    options = parser.parse_args(ours)
    flag = rest.pop(0) if rest and rest[0] in ("-m", "-c") else None
    if not rest:
        parser.error(f"{flag} needs an argument" if flag else "a script, -m MODULE or -c CODE is needed")
    if flag is None and rest[0].startswith("-"):
        parser.error(f"unknown option {rest[0]}")
    return options, flag, rest[0], rest[1:]


def main(argv=None):
    """The command line; returns when the program does, with whatever exit it makes."""
    options, flag, program, args = _parse(sys.argv[1:] if argv is None else argv)
    install(options.lm)
    if flag == "-m":
        sys.argv = [program, *args]
        if "" not in sys.path and os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    elif flag == "-c":
        sys.argv = ["-c", *args]
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
    else:
        if not os.path.exists(program):
            print(f"uma.mlx: cannot open {program!r}: no such file", file=sys.stderr)
            return 2
        sys.argv = [program, *args]
        sys.path.insert(0, os.path.dirname(os.path.abspath(program)))
        runpy.run_path(program, run_name="__main__")
    return 0


if __name__ == "__main__":
    # as the module proper, so that ``import uma.mlx`` in the program finds this one
    from uma.mlx import main as proper_main

    sys.exit(proper_main())
else:
    install()
