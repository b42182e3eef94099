"""Finds the package, and an array core for it.

``uma.core`` is used if it is built. Where it is not, or with ``UMA_TEST_CORE=mlx``, MLX's own core takes its place,
which tests the Python part alone.
"""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

# MLX compiles on the CPU by calling a C++ compiler: minutes, for what is compared here anyway
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

PACKAGE = str(Path(__file__).resolve().parents[1])
if importlib.util.find_spec("uma") is None or importlib.util.find_spec("uma.core") is None:
    sys.path.insert(0, PACKAGE)

HAVE_MLX = importlib.util.find_spec("mlx") is not None and importlib.util.find_spec("mlx.core") is not None
HAVE_CORE = importlib.util.find_spec("uma.core") is not None

if os.environ.get("UMA_TEST_CORE") == "mlx" or (not HAVE_CORE and HAVE_MLX):
    import mlx.core

    import uma

    sys.modules["uma.core"] = uma.core = mlx.core
elif not HAVE_CORE:
    collect_ignore_glob = ["test_*.py"]


def pytest_report_header(config):
    if "uma.core" not in sys.modules and not HAVE_CORE:
        return "SKIP: neither uma.core nor mlx is installed, nothing to test"
    return f"array core: {'uma.core' if HAVE_CORE and 'mlx.core' not in sys.modules else 'mlx.core in its place'}"


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: needs mlx-lm and takes more than a few seconds")


@pytest.fixture
def world():
    from oracle import uma_world

    return uma_world()
