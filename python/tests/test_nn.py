"""Layers, losses and modules against MLX (or its frozen results)."""

import case_layers
import case_losses
import case_module
import pytest
import uma.core as mx
from oracle import check

CASES = {**case_layers.CASES, **case_losses.CASES, **case_module.CASES}
# float32 results whose two computations round differently, and by how much more
LOOSER = {"layer.Transformer": 4, "layer.Conv": 2, "loss.gaussian": 2, "layer.GroupNorm": 2, "layer.LSTM": 2}


# What these cases stand on, as far as uma.core may lack it.
NEEDS = {"layer.QQLinear": lambda: hasattr(mx, "qqmm")}


@pytest.mark.parametrize("name", CASES)
def test_same_as_mlx(name):
    if not NEEDS.get(name, lambda: True)():
        pytest.skip(f"uma.core lacks what {name} stands on")
    factor = next((f for prefix, f in LOOSER.items() if name.startswith(prefix)), 1)
    check(name, CASES[name], factor)
