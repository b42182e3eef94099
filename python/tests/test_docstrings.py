"""The examples in docstrings give what they say."""

import doctest
import importlib

import pytest

MODULES = ["utils", "nn.init", "nn.losses", "nn.layers.upsample", "nn.layers.base", "optimizers.optimizers"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(world, name):
    failed, tried = doctest.testmod(importlib.import_module(f"uma.{name}"))
    assert failed == 0
    assert tried > 0 or name == "nn.layers.base"
