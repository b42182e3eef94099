import io

import numpy as np
import pytest
import uma.core as mx


def test_dot_shows_what_is_not_computed(tmp_path):
    a = mx.array(1) + mx.array(2)
    b = mx.exp(a) * a
    text = io.StringIO()
    mx.export_to_dot(text, b, a=a)
    lines = text.getvalue().split("\n")
    assert lines[0] == "digraph {" and lines[-2] == "}"
    for op in ("add", "exp", "multiply"):
        assert sum(f'label="{op}"' in line for line in lines) == 1, op
    assert '"a"' in text.getvalue()
    mx.export_to_dot(str(tmp_path / "g.dot"), b)
    assert (tmp_path / "g.dot").read_text().startswith("digraph {")
    mx.eval(b)
    done = io.StringIO()
    mx.export_to_dot(done, b)
    assert "label" not in done.getvalue()
    with pytest.raises(RuntimeError):
        mx.export_to_dot(str(tmp_path / "no" / "g.dot"), a)


def test_dot_of_a_long_chain():
    x = mx.array(0)
    for _ in range(20000):
        x = x + 1
    text = io.StringIO()
    mx.export_to_dot(text, x)
    assert text.getvalue().count("label") == 20000


def test_array_namespace():
    info = mx.__array_namespace_info__()
    assert info.default_dtypes()["integral"] == mx.int32
    assert set(info.dtypes(kind="integral")) == {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
    assert set(info.dtypes(kind=("bool", "complex floating"))) == {"bool", "complex64"}
    assert info.capabilities()["data-dependent shapes"] is False
    assert info.default_device() in info.devices()
    assert mx.array(1).__array_namespace__() is mx
