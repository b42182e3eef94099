"""Optimizers and schedules against MLX (or its frozen results), and what needs no oracle."""

import case_optimizers
import pytest
from oracle import check


@pytest.mark.parametrize("name", case_optimizers.CASES)
def test_same_as_mlx(name):
    check(name, case_optimizers.CASES[name], 2 if "Muon" in name else 1)
