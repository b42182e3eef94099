"""profile(): what it counts, and how it says it."""

import json
import threading

import pytest
import uma.core as mx


def row(profile, name):
    return next((op for op in profile.ops if op["name"] == name), None)


def test_counts():
    x = mx.random.normal((64, 32))
    mx.eval(x)
    with mx.profile() as p:
        mx.eval([mx.exp(x @ x.T) for _ in range(3)])
        x + 1  # never evaluated
    mx.eval(x @ x.T)
    product = row(p, "matmul")
    assert product["count"] == 3 and product["flops"] == 3 * 2 * 64 * 64 * 32
    assert product["bytes_written"] == 3 * 4 * 64 * 64 and product["seconds"] > 0
    assert row(p, "exp")["bytes_read"] == 3 * 4 * 64 * 64 and row(p, "add") is None
    assert [op["seconds"] for op in p.ops] == sorted((op["seconds"] for op in p.ops), reverse=True)


def test_text_json_and_trace(tmp_path):
    with mx.profile() as p:
        mx.eval(mx.softmax(mx.random.normal((8, 8)) @ mx.ones((8, 8)), axis=-1))
    lines = str(p).splitlines()
    assert lines[0].split()[:2] == ["op", "count"] and lines[-1].endswith("ms of wall time")
    assert len(lines) == len(p.ops) + 3 and {line.split()[0] for line in lines} >= {"matmul", "softmax", "total"}
    said = json.loads(p.json())
    assert [op["name"] for op in said["ops"]] == [op["name"] for op in p.ops] and said["wall_seconds"] > 0
    path = str(tmp_path / "trace.json")
    p.save_chrome_trace(path)
    with open(path) as f:
        events = json.load(f)["traceEvents"]
    assert len(events) == sum(op["count"] for op in p.ops)
    assert all(e["ph"] == "X" and e["ts"] >= 0 and e["dur"] >= 0 for e in events)
    with pytest.raises(RuntimeError, match="no/such"):
        p.save_chrome_trace("/no/such/folder/trace.json")


def test_threads_and_errors():
    def work():
        for _ in range(20):
            mx.eval(mx.exp(mx.ones(4)))

    with pytest.raises(ZeroDivisionError):
        with mx.profile() as p:
            threads = [threading.Thread(target=work) for _ in range(4)]
            [t.start() for t in threads], [t.join() for t in threads]
            1 / 0
    work()
    assert row(p, "exp")["count"] == 80


def test_of_another_start():
    p = mx.profile()
    for _ in range(2):
        with p:
            mx.eval(mx.exp(mx.ones(4)))
    assert row(p, "exp")["count"] == 2
    with mx.profile() as outer, mx.profile() as inner:
        mx.eval(mx.exp(mx.ones(4)))
    assert row(outer, "exp")["count"] == row(inner, "exp")["count"] == 1
