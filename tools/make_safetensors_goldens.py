#!/usr/bin/env python3
"""Makes tests/golden/safetensors: files that the Python package `safetensors` writes.

    python tools/make_safetensors_goldens.py tests/golden/safetensors
    python tools/make_safetensors_goldens.py --check FILE...

needs safetensors 0.8. Byte i of the n-th tensor (by name) is (31 n + 7 i) mod 251, of a bool i mod 2: the test
works them out again. --check reads files that uma wrote, with the package, and prints what is in them.
"""
import ctypes
import json
import pathlib
import sys

import safetensors

TYPES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
         "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8}
# The package's writer takes the names of NumPy and PyTorch.
WRITER = {"BOOL": "bool", "U8": "uint8", "I8": "int8", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
          "F8_E8M0": "float8_e8m0fnu", "U16": "uint16", "I16": "int16", "F16": "float16", "BF16": "bfloat16",
          "U32": "uint32", "I32": "int32", "F32": "float32", "U64": "uint64", "I64": "int64", "F64": "float64",
          "C64": "complex64"}


def data_of(number, dtype, size):
    if dtype == "BOOL":
        return bytes(i % 2 for i in range(size))
    return bytes((31 * number + 7 * i) % 251 for i in range(size))


def make(folder, name, tensors, metadata=None):
    """tensors: name -> (dtype, shape)"""
    rows, buffers = {}, []  # the package is given addresses
    for number, key in enumerate(sorted(tensors)):
        dtype, shape = tensors[key]
        size = TYPES[dtype]
        for extent in shape:
            size *= extent
        buffers.append(ctypes.create_string_buffer(data_of(number, dtype, size), max(size, 1)))
        rows[key] = safetensors.TensorSpec(dtype=WRITER[dtype], shape=shape, data_len=size,
                                           data_ptr=ctypes.addressof(buffers[-1]))
    (folder / name).write_bytes(safetensors.serialize(rows, metadata))


def check(path):
    for name, row in sorted(safetensors.deserialize(pathlib.Path(path).read_bytes())):
        print(path, name, row["dtype"], row["shape"], bytes(row["data"]).hex())


def main():
    if sys.argv[1] == "--check":
        return [check(path) for path in sys.argv[2:]]
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    make(folder, "dtypes.safetensors", {f"t.{dtype}": (dtype, [2, 3]) for dtype in TYPES})
    make(folder, "shapes.safetensors",
         {"scalar": ("F32", []), "empty": ("F32", [0, 4]), "vector": ("U8", [5]), "cube": ("I16", [2, 1, 3])},
         {"format": "pt", "made by": "tools \u00e9\n\"quoted\""})
    shards = {"model-00001-of-00002.safetensors": {"a.weight": ("F16", [2, 2]), "b.weight": ("F32", [1])},
              "model-00002-of-00002.safetensors": {"c.weight": ("BF16", [4])}}
    weight_map = {}
    for name, tensors in shards.items():
        make(folder, name, tensors)
        weight_map.update({tensor: name for tensor in tensors})
    index = {"metadata": {"total_size": 20, "nested": [{"a": [1.5, None, True, -2]}]}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
