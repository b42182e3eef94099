#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets gguf, safetensors, npz and tokenizer: small valid inputs of every kind.

    python tools/make_fuzz_corpus.py tests/fuzz/corpus

The seeds of template come from tools/make_template_goldens.py.
"""
import io
import json
import pathlib
import random
import struct
import sys
import zipfile

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMATS = {BOOL: "?", U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", U64: "Q", I64: "q", F64: "d"}


def text(value):
    value = value.encode()
    return struct.pack("<Q", len(value)) + value


def value_of(kind, value):
    return text(value) if kind == STRING else struct.pack("<" + FORMATS[kind], value)


def entry(key, kind, value):
    if isinstance(value, list):
        items = b"".join(value_of(kind, v) for v in value)
        return text(key) + struct.pack("<IIQ", ARRAY, kind, len(value)) + items
    return text(key) + struct.pack("<I", kind) + value_of(kind, value)


def gguf(entries, tensors):
    """tensors: name -> (extents, fastest first; type; data)"""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entry(*e) for e in entries)
    data = b""
    for name, (extents, kind, content) in tensors.items():
        data += b"\0" * (-len(data) % 32)
        head += text(name) + struct.pack(f"<I{len(extents)}QIQ", len(extents), *extents, kind, len(data))
        data += content
    return head + b"\0" * (-len(head) % 32) + data if tensors else head


def vocabulary(kind):
    tokens = ["<unk>", "<s>", "</s>", "a", "b", "ab", "t", "h", "e", "th", "the", "\u2581", "\u2581the", "<0x0A>", "<|im_end|>"]
    types = [2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 6 if kind in ("llama", "gemma4") else 1, 3]
    g = "tokenizer.ggml."
    entries = [(g + "model", STRING, kind), (g + "tokens", STRING, tokens), (g + "token_type", I32, types),
               (g + "bos_token_id", U32, 1), (g + "eos_token_id", U32, 2), (g + "unknown_token_id", U32, 0),
               ("tokenizer.chat_template", STRING, "{% for m in messages %}{{ m.content }}{% endfor %}")]
    if kind == "llama":
        entries += [(g + "scores", F32, [-float(i) for i in range(len(tokens))]), (g + "add_bos_token", BOOL, True)]
    if kind in ("gpt2", "gemma4"):
        entries += [(g + "merges", STRING, ["a b", "t h", "th e", "\u2581 the"]), (g + "pre", STRING, "qwen2")]
    return entries, len(tokens)


def model(architecture, kind, layers=1, more=()):
    """A model of the smallest size that is one: heads of 4, features of 8."""
    rng = random.Random(architecture)
    entries, vocab = vocabulary(kind)
    a = architecture + "."
    entries += [("general.architecture", STRING, architecture), (a + "context_length", U32, 64),
                (a + "embedding_length", U32, 8), (a + "block_count", U32, layers), (a + "feed_forward_length", U32, 8),
                (a + "attention.head_count", U32, 2), (a + "attention.head_count_kv", U32, 1),
                (a + "attention.key_length", U32, 4), (a + "attention.value_length", U32, 4),
                (a + "attention.layer_norm_rms_epsilon", F32, 1e-5), (a + "rope.dimension_count", U32, 4),
                (a + "rope.freq_base", F32, 10000.0), *[(a + k, t, v) for k, t, v in more]]
    tensors = {}

    def matrix(name, cols, rows):
        values = [rng.uniform(-1, 1) for _ in range(cols * rows)]
        tensors[name + ".weight"] = ((cols, rows), 1, struct.pack(f"<{len(values)}e", *values))

    def vector(name, size, suffix=".weight"):
        tensors[name + suffix] = ((size,), 0, struct.pack(f"<{size}f", *([1.0] * size)))

    matrix("token_embd", 8, vocab)
    vector("output_norm", 8)
    for i in range(layers):
        b = f"blk.{i}."
        for name, cols, rows in [("attn_q", 8, 8), ("attn_k", 8, 4), ("attn_v", 8, 4), ("attn_output", 8, 8),
                                 ("ffn_gate", 8, 8), ("ffn_up", 8, 8), ("ffn_down", 8, 8)]:
            matrix(b + name, cols, rows)
        vector(b + "attn_norm", 8)
        vector(b + "ffn_norm", 8)
        if architecture in ("qwen3", "gemma3"):
            vector(b + "attn_q_norm", 4)
            vector(b + "attn_k_norm", 4)
        if architecture in ("gemma2", "gemma3"):
            vector(b + "post_attention_norm", 8)
            vector(b + "post_ffw_norm", 8)
        if architecture == "qwen2":
            vector(b + "attn_q", 8, ".bias")
            vector(b + "attn_k", 4, ".bias")
            vector(b + "attn_v", 4, ".bias")
    return gguf(entries, tensors)


def gguf_seeds():
    yield "empty", gguf([], {})
    kinds = [(f"k.{kind}", kind, "text" if kind == STRING else True if kind == BOOL else 7) for kind in FORMATS]
    yield "kinds", gguf(kinds + [("general.alignment", U32, 64)], {})
    yield "arrays", gguf([(k, t, [v] * 3) for k, t, v in kinds], {})
    sizes = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
             11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 20: (32, 18), 23: (256, 136), 30: (1, 2),
             39: (32, 17)}
    yield "types", gguf([], {f"t{t}": ((block, 1), t, bytes(size)) for t, (block, size) in sizes.items()})
    for kind in ("llama", "gpt2", "bert", "gemma4"):
        yield f"vocab_{kind}", gguf(vocabulary(kind)[0], {})
    yield "llama", model("llama", "llama", more=[("rope.scaling.type", STRING, "linear"),
                                                 ("rope.scaling.factor", F32, 2.0)])
    yield "llama_yarn", model("llama", "gpt2", more=[("rope.scaling.type", STRING, "yarn"),
                                                     ("rope.scaling.factor", F32, 4.0),
                                                     ("rope.scaling.original_context_length", U32, 16)])
    yield "qwen2", model("qwen2", "gpt2", layers=2)
    yield "qwen3", model("qwen3", "gpt2")
    yield "gemma2", model("gemma2", "llama", more=[("attention.sliding_window", U32, 2),
                                                   ("attn_logit_softcapping", F32, 5.0),
                                                   ("final_logit_softcapping", F32, 3.0)])
    yield "gemma3", model("gemma3", "llama", layers=2, more=[("attention.sliding_window", U32, 2)])


def safetensors_seeds():
    def file(header, size):
        head = json.dumps(header, separators=(",", ":")).encode()
        head += b" " * (-len(head) % 8)
        return struct.pack("<Q", len(head)) + head + bytes(i % 2 for i in range(size))

    def tensor(dtype, shape, begin, end):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    yield "empty", file({}, 0)
    yield "metadata", file({"__metadata__": {"format": "pt", "n": "\u00e9\n"}}, 0)
    header, at = {}, 0
    for dtype, bits in [("F64", 64), ("C64", 64), ("I64", 64), ("U64", 64), ("F32", 32), ("I32", 32), ("U32", 32),
                        ("F16", 16), ("BF16", 16), ("I16", 16), ("U16", 16), ("F8_E4M3", 8), ("F8_E5M2", 8),
                        ("F8_E8M0", 8), ("I8", 8), ("U8", 8), ("BOOL", 8), ("F6_E2M3", 6), ("F6_E3M2", 6), ("F4", 4)]:
        size = bits // 2
        header[dtype.lower()] = tensor(dtype, [2, 2], at, at + size)
        at += size
    yield "dtypes", file(header, at)
    yield "shapes", file({"s": tensor("F32", [], 0, 4), "e": tensor("F32", [0, 3], 4, 4),
                          "c": tensor("U8", [2, 1, 3], 4, 10)}, 10)
    yield "misaligned", file({"a": tensor("U8", [1], 0, 1), "b": tensor("F32", [2], 1, 9)}, 9)
    index = {"metadata": {"total_size": 8, "x": [None, True, -1.5, {}]},
             "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    yield "index", json.dumps(index).encode()


def npz_seeds():
    def npy(descr, shape, data, order=False):
        head = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
        head += " " * (-(11 + len(head)) % 64) + "\n"
        return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + data

    def npz(method, **members):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, content in members.items():
                # A date of its own, so that the seeds are the same each time.
                archive.writestr(zipfile.ZipInfo(name + ".npy"), content, method)
        return out.getvalue()

    arrays = {"a": npy("<f4", (2, 2), bytes(16)), "b": npy("|b1", (3,), b"\0\1\1"), "c": npy("<V2", (), bytes(2)),
              "d": npy("<i8", (2, 3), bytes(48), True), "e": npy("<f8", (0, 5), b"")}
    yield "empty", npz(zipfile.ZIP_STORED)
    yield "stored", npz(zipfile.ZIP_STORED, **arrays)
    yield "deflated", npz(zipfile.ZIP_DEFLATED, **arrays)
    for name, content in arrays.items():
        yield f"npy_{name}", content


def tokenizer_seeds():
    samples = {
        "english": "The quick brown fox isn't 12345 years old.\n\n  It's   ok!",
        "unicode": "\u00c9vry \u4e2d\u6587 \u0440\u0443\u0441 \U0001f642\u200d \u0e44\u0e17\u0e22 \u2581x\u00a0y",
        "special": "<s>user: <|user|> <tool></s> <unk>",
        "code": "def f(x):\n\treturn {'a': 0x1F, \"b\": [1,2,3]}\r\n",
    }
    for name, sample in samples.items():
        for kind in range(3):
            yield f"{name}_{kind}", bytes([kind, 1 + 7 * kind, 0x48 if name == "special" else 8]) + sample.encode()
    yield "broken_0", b"\0\0\x08a\xff\xc3\xe2\x82 \xf0\x9f\x99 \xed\xa0\x80"
    yield "broken_1", b"\1\2\x08a\xff\xc3\xe2\x82 \xf0\x9f\x99 \xed\xa0\x80"
    for rule in range(64):  # all there are, and some twice
        yield f"rule_{rule:02}", bytes([1, rule, 0]) + samples["english"].encode() + samples["unicode"].encode()
    lines = "2<unk>\n3<s>\n3</s>\n1a\n1b\n1ab\n4<x>\n6<0x41>\n1\u2581a\n1 \nMa b\nMab a\n\n"
    for kind in range(4):  # 4 + kind modulo 4 is the place in the list of models
        yield f"own_{kind}", bytes([4 + kind, 0, 0x4c]) + (lines + "ab<x>aab A<s>").encode()


def main():
    root = pathlib.Path(sys.argv[1])
    for target, seeds in [("gguf", gguf_seeds), ("safetensors", safetensors_seeds), ("npz", npz_seeds),
                          ("tokenizer", tokenizer_seeds)]:
        folder = root / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in seeds():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
