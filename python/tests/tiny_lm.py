"""The small random models of tests/golden/models, and copies of them with something changed."""

import functools
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import uma.core as mx

if not hasattr(mx, "_lm"):
    pytest.skip("SKIP: MLX's core stands in for uma's, which has no engine", allow_module_level=True)

from uma.lm import load

MODELS = Path(__file__).resolve().parents[2] / "tests" / "golden" / "models"
KINDS = sorted(p.stem for p in MODELS.glob("*.gguf"))
VOCAB, CONTEXT, EOS = 288, 256, 287

#: ChatML, with what tests look for: tools, and a variable of the caller's
TEMPLATE = (
    "{% if tools %}[tools {{ tools[0].name }}]{% endif %}{{ mood }}{% for m in messages %}"
    "<{{ m.role }}>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


@functools.lru_cache(maxsize=None)
def opened(kind="qwen2", exact=False):
    """(model, tokenizer), shared by tests: neither is changed by use."""
    return load(str(MODELS / f"{kind}.gguf"), exact=exact)


def fresh_tokenizer():
    """One that a test may change."""
    return load(str(MODELS / "qwen2.gguf"))[1]


def golden(kind):
    """tokens, and {row: logits} of a forward pass by transformers in float32."""
    data = (MODELS / f"{kind}.golden").read_bytes()
    tokens, rows, vocab = struct.unpack_from("<3i", data)
    ints = np.frombuffer(data, "<i4", tokens + rows, 12)
    logits = np.frombuffer(data, "<f4", rows * vocab, 12 + 4 * (tokens + rows)).reshape(rows, vocab)
    return ints[:tokens].tolist(), dict(zip(ints[tokens:].tolist(), logits))


def with_template(path, source=TEMPLATE):
    """A copy of the model with a chat template, so long that no tensor moves off its alignment."""
    data = (MODELS / "qwen2.gguf").read_bytes()
    key = b"tokenizer.chat_template"
    # a comment fills the entry up to a multiple of 32 bytes
    text = source.encode() + b"{#" + b" " * (-(8 + len(key) + 12 + len(source.encode()) + 4) % 32) + b"#}"
    entry = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(text)) + text
    assert len(entry) % 32 == 0
    count = struct.unpack_from("<Q", data, 16)[0]
    path.write_bytes(data[:16] + struct.pack("<Q", count + 1) + entry + data[24:])
    return path


def binary():
    """The command line of the same build."""
    found = os.environ.get("UMA_BINARY") or str(Path(mx.__file__).resolve().parents[2] / "uma")
    if not os.access(found, os.X_OK):
        pytest.skip(f"SKIP: needs the binary uma, and UMA_BINARY or {found} is none")
    return found


def gemma3():
    found = os.environ.get("UMA_TEST_MODEL_GEMMA3")
    if not found:
        pytest.skip("SKIP: UMA_TEST_MODEL_GEMMA3 names no model")
    return found
