"""The public names of the package, module by module."""

import importlib
import inspect

CORE = ["core", "core.linalg", "core.fft", "core.random", "core.fast", "core.distributed", "core.metal", "core.cuda"]
PYTHON = ["nn", "nn.init", "nn.losses", "optimizers", "utils", "lm", "extension"]


def module(name):
    """uma.NAME; the modules in uma.core are attributes of the extension."""
    head, _, rest = name.partition(".")
    found = importlib.import_module(f"uma.{head}")
    for part in filter(None, rest.split(".")):
        found = getattr(found, part) if hasattr(found, part) else importlib.import_module(f"uma.{name}")
    return found


def members(name):
    """(name, thing) of the functions and classes of a module, without what it imports from outside uma."""
    found = module(name)
    for key in sorted(getattr(found, "__all__", None) or dir(found)):
        thing = getattr(found, key)
        origin = getattr(thing, "__module__", None) or ""
        if key.startswith("_") or inspect.ismodule(thing) or not callable(thing):
            continue
        if inspect.isclass(thing) or origin.startswith("uma") or type(thing).__name__.startswith("nb_"):
            if not inspect.isclass(thing) or origin.startswith("uma"):
                yield key, thing
