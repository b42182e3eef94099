"""Files: what is written comes back, NumPy and MLX agree, and what a format cannot hold is a sentence."""

import io
import struct

import numpy as np
import pytest
import uma.core as mx
from mlx_cases import dtype_name, mlx, needs_mlx

TENSORS = ["float32", "float16", "int8", "int16", "int32"]
VALUES = ["bool_", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32"]


def tensors():
    return {name: mx.arange(-3, 9).reshape(3, 4).astype(getattr(mx, name)) for name in TENSORS}


def metadata():
    one = {f"one.{d}": mx.array(1).astype(getattr(mx, d)) for d in VALUES}
    many = {f"many.{d}": mx.array([1, 0, 3]).astype(getattr(mx, d)) for d in VALUES}
    return {"general.architecture": "none", "text": "hé", "texts": ["a", "", "bé"], "no texts": [], **one, **many}


def plain(value):
    """Metadata or arrays as something to compare, whichever library they are of."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if hasattr(value, "dtype"):
        return dtype_name(value.dtype), value.shape, value.tolist()
    return value


@pytest.mark.parametrize("how", ["path", "file"])
def test_gguf_comes_back(tmp_path, how):
    if how == "path":
        mx.save_gguf(tmp_path / "x", tensors(), metadata())
        found = mx.load(tmp_path / "x.gguf", return_metadata=True)
    else:
        file = io.BytesIO()
        mx.save_gguf(file, tensors(), metadata())
        file.seek(0)
        found = mx.load(file, format="gguf", return_metadata=True)
    assert plain(found[0]) == plain(tensors())
    assert plain(found[1]) == plain(metadata())


@needs_mlx
def test_gguf_is_what_mlx_reads_and_writes(tmp_path):
    mx.save_gguf(str(tmp_path / "ours"), tensors(), metadata())
    arrays, found = mlx.load(str(tmp_path / "ours.gguf"), return_metadata=True)
    assert plain(arrays) == plain(tensors()) and plain(found) == plain(metadata())
    theirs = {k: mlx.array(v.tolist()).astype(getattr(mlx, dtype_name(v.dtype))) for k, v in tensors().items()}
    texts = {k: v for k, v in metadata().items() if not isinstance(v, mx.array)}
    mlx.save_gguf(str(tmp_path / "theirs"), theirs, texts)
    arrays, found = mx.load(tmp_path / "theirs.gguf", return_metadata=True)
    assert plain(arrays) == plain(tensors()) and plain(found) == texts


@pytest.mark.parametrize(
    ("arrays", "metadata", "error", "sentence"),
    [
        ({"x": mx.zeros((2,), mx.bfloat16)}, {}, RuntimeError, "'x' is bfloat16; tensors can be float32, float16"),
        ({"x": mx.array(1.0)}, {}, RuntimeError, r"'x' has shape \(\)"),
        ({"x": 3}, {}, ValueError, "'x' is no array"),
        ([], {}, TypeError, "takes a dict of arrays, not list"),
        ({}, {"k": 3}, ValueError, "the metadata 'k' are int; they can be an array, a str or a list of str"),
        ({}, {"k": ["a", 1]}, ValueError, "the metadata 'k' are list"),
        ({}, {"k": mx.zeros((2, 2))}, RuntimeError, r"the metadata 'k' have shape \(2, 2\)"),
        ({}, {"k": mx.zeros((2,), mx.float16)}, ValueError, "the metadata 'k' are float16"),
    ],
)
def test_what_gguf_has_not(tmp_path, arrays, metadata, error, sentence):
    (tmp_path / "x.gguf").write_bytes(b"before")
    with pytest.raises(error, match=sentence):
        mx.save_gguf(tmp_path / "x.gguf", arrays, metadata)
    assert [p.name for p in tmp_path.iterdir()] == ["x.gguf"]
    assert (tmp_path / "x.gguf").read_bytes() == b"before"


def gguf_of(*tensors):
    """A file of raw tensors: name, shape (the slowest axis first), type number, bytes."""

    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()

    head, data = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), 0), b""
    for name, shape, kind, raw in tensors:
        data += b"\0" * (-len(data) % 32)
        extents = struct.pack(f"<{len(shape)}q", *reversed(shape))
        head += text(name) + struct.pack("<I", len(shape)) + extents + struct.pack("<IQ", kind, len(data))
        data += raw
    return head + b"\0" * (-len(head) % 32) + data


@pytest.mark.parametrize(("kind", "block", "bits"), [(8, 34, 8), (2, 18, 4), (3, 20, 4)])
@pytest.mark.parametrize("shape", [(3, 64), (2, 2, 32), (96,)])
def test_quantized_weights_come_packed(tmp_path, kind, block, bits, shape):
    rng = np.random.default_rng(kind)
    blocks = rng.integers(0, 256, (int(np.prod(shape)) // 32, block), dtype=np.uint8)
    heads = rng.uniform(-0.1, 0.1, (len(blocks), 2)).astype(np.float16).view(np.uint8)
    blocks[:, : 4 if kind == 3 else 2] = heads[:, : 4 if kind == 3 else 2]
    path = tmp_path / "q.gguf"
    raw = blocks.tobytes()
    path.write_bytes(gguf_of(("a.weight", shape, kind, raw), ("whole", shape, kind, raw)))
    found = mx.load(path)
    assert set(found) == {"a.weight", "a.scales", "a.biases", "whole"}
    parts = found["a.weight"], found["a.scales"], found["a.biases"]
    values = mx.dequantize(*parts, group_size=32, bits=bits)
    assert found["whole"].shape == shape and found["whole"].dtype == mx.float16
    np.testing.assert_allclose(np.array(values), np.array(found["whole"]), rtol=2e-3, atol=2e-3)
    if mlx is not None:
        path.write_bytes(gguf_of(("a.weight", shape, kind, raw)))
        assert plain(mlx.load(str(path))) == plain(dict(zip(("a.weight", "a.scales", "a.biases"), parts)))


def test_numbers_of_every_width_in_gguf(tmp_path):
    path = tmp_path / "n.gguf"
    kinds = {0: np.float32, 1: np.float16, 24: np.int8, 25: np.int16, 26: np.int32, 27: np.int64, 28: np.float64}
    values = {kind: np.arange(-2, 4).reshape(2, 3).astype(d) for kind, d in kinds.items()}
    path.write_bytes(gguf_of(*((str(kind), v.shape, kind, v.tobytes()) for kind, v in values.items())))
    for kind, found in mx.load(path).items():
        assert dtype_name(found.dtype) == values[int(kind)].dtype.name
        np.testing.assert_array_equal(np.array(found), values[int(kind)])


def test_bfloat16_in_npy(tmp_path):
    values = mx.array([[1.5, -2.0, 3.0e38]], mx.bfloat16)
    mx.save(tmp_path / "b", values)
    mx.savez(tmp_path / "z", b=values)
    assert np.load(tmp_path / "b.npy").dtype == np.dtype("V2")
    np.save(tmp_path / "raw.npy", np.load(tmp_path / "b.npy"))
    for found in (mx.load(tmp_path / "b.npy"), mx.load(tmp_path / "raw.npy"), mx.load(tmp_path / "z.npz")["b"]):
        assert found.dtype == mx.bfloat16 and found.tolist() == values.tolist()
    if mlx is not None:
        assert plain(mlx.load(str(tmp_path / "b.npy"))) == plain(values)
        mlx.save(str(tmp_path / "theirs"), mlx.array(values.tolist(), mlx.bfloat16))
        assert plain(mx.load(tmp_path / "theirs.npy")) == plain(values)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(), (3,), (1, 3), (2, 3), (2, 3, 4), (0, 2)])
def test_npy_in_either_order(tmp_path, dtype, shape):
    values = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    np.save(tmp_path / "f.npy", np.asfortranarray(values) if shape else values)
    found = mx.load(tmp_path / "f.npy")
    assert found.shape == shape
    np.testing.assert_array_equal(np.array(found), values)
    mx.save(tmp_path / "g.npy", found)
    np.testing.assert_array_equal(np.load(tmp_path / "g.npy"), values)
