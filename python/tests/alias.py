"""Runs programs under the alias in a process of their own, with the array core that the tests have."""

import importlib
import os
import subprocess
import sys

import uma

PACKAGE = os.path.dirname(os.path.dirname(uma.__file__))

_STAND_IN = "import mlx.core, sys, uma; sys.modules['uma.core'] = uma.core = mlx.core; "


def core_is_mlx():
    return importlib.import_module("uma.core").__name__ == "mlx.core"


def command(*args):
    """``python -m uma.mlx ARGS``, or the same with MLX's core in place of uma's."""
    if not core_is_mlx():
        return [sys.executable, "-m", "uma.mlx", *args]
    return [sys.executable, "-c", _STAND_IN + "from uma.mlx import main; sys.exit(main())", *args]


def run(argv, cwd=None, timeout=300, **env):
    path = os.pathsep.join([PACKAGE, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    env = {**os.environ, "PYTHONPATH": path, **env}
    return subprocess.run(argv, capture_output=True, text=True, cwd=cwd, env=env, timeout=timeout)


def output(*args, **options):
    """What a program under the alias writes to stdout; its stderr in the error if it fails."""
    done = run(command(*args), **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def inline(code, **options):
    """What a program that imports uma.mlx itself writes to stdout."""
    done = run([sys.executable, "-c", (_STAND_IN if core_is_mlx() else "") + code], **options)
    assert done.returncode == 0, done.stderr
    return done.stdout
