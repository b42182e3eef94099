"""Every public name of MLX's nn, optimizers and utils is there, with its signature."""

import inspect
import json
from pathlib import Path

import names
import pytest

FROZEN = json.loads((Path(__file__).parent / "golden" / "names.json").read_text())


@pytest.mark.parametrize("name", FROZEN)
def test_name_and_signature(world, name):
    found = names.resolve(world, name)
    if FROZEN[name] is not None:
        assert names.signature(found) == FROZEN[name]
    assert inspect.getdoc(found), f"{name} has no docstring"
