#!/usr/bin/env python3
"""Freezes random blocks of every weight format with what the package `gguf` decodes them to.

Run with numpy and gguf installed:  python tools/make_quant_goldens.py
Writes tests/golden/quant/<FORMAT>.bin: u32 blocks, u32 bytes of a block, u32 weights of a block, the
blocks, then the decoded weights as f32. The f16 scales cycle through ordinary values and odd ones (zero,
negative zero, smallest and largest subnormal, largest finite, infinities, quiet NaN).
"""
import struct
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize

# format -> byte offsets of its f16 fields within a block
FORMATS = {
    "F16": [0], "BF16": [], "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
ODD = [0x0000, 0x8000, 0x0001, 0x83FF, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00]


def main() -> None:
    folder = Path(__file__).resolve().parent.parent / "tests" / "golden" / "quant"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240607)
    for name, halves in FORMATS.items():
        kind = T[name]
        block, size = GGML_QUANT_SIZES[kind]
        count = 256 if block == 1 else 24 if block == 32 else 12
        data = rng.integers(0, 256, (count, size), dtype=np.uint8)
        for i in range(count):
            for j, offset in enumerate(halves):
                if block == 1:
                    continue  # every bit pattern of a half may occur
                odd = i >= count - len(ODD)
                bits = ODD[(i + j) % len(ODD)] if odd else int(
                    np.float16(rng.normal() * 0.02).view(np.uint16))
                data[i, offset:offset + 2] = np.frombuffer(struct.pack("<H", bits), np.uint8)
        values = dequantize(data, kind).astype(np.float32)
        if name == "F16":
            # gguf has no decoder of its own for halves: numpy's conversion is the definition
            values = data.view(np.float16).astype(np.float32)
        with open(folder / f"{name}.bin", "wb") as f:
            f.write(struct.pack("<III", count, size, block))
            f.write(data.tobytes())
            f.write(values.tobytes())


if __name__ == "__main__":
    main()
