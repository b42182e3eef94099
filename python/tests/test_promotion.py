"""Dtypes of results against MLX's, frozen in golden/promotion.json (promotion.py says what the letters mean)."""
import json
import pathlib

import numpy as np
import pytest
import uma.core as mx
from promotion import DTYPES, SCALARS, table

GOLDEN = json.loads((pathlib.Path(__file__).parent / "golden" / "promotion.json").read_text())

# Where we differ on purpose.
DIFFERENT = {"nan_to_num": "?BHIQbhiqegfdc"}  # MLX has none for float64 and complex64
for scalar in SCALARS:
    for op in ("&", "|", "^", "<<", ">>"):
        DIFFERENT[f"{scalar} {op} a"] = GOLDEN[f"a {op} {scalar}"]  # MLX has no reversed operators


def has_complex():
    """Whether this build computes with complex64; until it does, its column and rows are left out."""
    try:
        mx.eval(mx.array([1j]) + mx.array([1j]))
        return True
    except ValueError:
        return False


COMPLEX = has_complex()
ROWS = sorted(row for row in GOLDEN if COMPLEX or not ("complex" in row or "1j" in row or row.split()[0] in ("real", "imag", "conj")))


# Functions that refuse complex64 in a sentence, where MLX orders or rounds it in its own way.
REAL_ONLY = {"floor_divide", "//", "cummax", "cummin", "logcumsumexp"}


def without_complex(row, expected):
    """What is expected of a function that refuses complex64: an error wherever one takes part."""
    if not REAL_ONLY & set(row.split()):
        return expected
    if "complex" in row or "1j" in row:
        return "V" * len(expected)
    return expected[:-1] + "V" if len(expected) in (4, len(DTYPES)) else expected  # complex64 comes last


@pytest.fixture(scope="module")
def ours():
    return table(mx)


@pytest.mark.parametrize("row", ROWS)
def test_as_mlx(ours, row):
    # MLX finds some wrong dtypes only when it computes, as RuntimeError; we raise ValueError at the call.
    expected = without_complex(row, DIFFERENT.get(row, GOLDEN[row]).replace("R", "V"))
    got = ours[row]
    if not COMPLEX and len(expected) in (4, 14):
        got, expected = got[:-1], expected[:-1]
    assert got == expected, f"dtypes in the order of {DTYPES}"


def test_values_of_weak_scalars():
    assert (mx.array([250], dtype=mx.uint8) + 10).tolist() == [4]
    assert (mx.array([7, -7]) // 2).tolist() == [3, -4]
    assert (mx.array([7.5, -7.5]) // 2).tolist() == [3.0, -4.0]
    assert (mx.array([7, -7]) % 3).tolist() == [1, 2]
    assert (mx.array([2, 3]) ** 3).tolist() == [8, 27]
    assert (2 ** mx.array([0, 5])).tolist() == [1, 32]
    assert (mx.array([1, 2]) / 2).tolist() == [0.5, 1.0]
    assert (1 - mx.array([True, False])).tolist() == [0, 1]
    assert mx.mean(mx.array([1, 2])).item() == 1.5
    assert mx.sum(mx.array([True, True])).item() == 2


@pytest.mark.parametrize("call, dtype", [
    ("mx.arange(5)", "int32"), ("mx.arange(5.0)", "float32"), ("mx.arange(0, 1, 0.25)", "float32"),
    ("mx.arange(3, dtype=mx.float16)", "float16"), ("mx.arange(2**40, 2**40 + 2)", "int64"),
    ("mx.array([])", "float32"), ("mx.array([1, 2.5])", "float32"), ("mx.array([True, 1])", "int32"),
    ("mx.array(2**31)", "int64"), ("mx.zeros(2)", "float32"), ("mx.linspace(0, 1, 3)", "float32"),
    ("mx.eye(2)", "float32"), ("mx.full((2,), 3)", "int32"), ("mx.full((2,), True)", "bool"),
])
def test_natural_dtypes(call, dtype):
    assert str(eval(call).dtype).endswith(dtype)
