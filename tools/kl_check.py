#!/usr/bin/env python3
"""How far uma's next-token distributions are from a plain float32 forward pass: mean KL divergence.

    python tools/kl_check.py MODEL.gguf [TEXT.txt] [--uma build/uma] [--tokens 256] [--isa avx2 --isa generic]
                             [--reference REF.npz]

The text (tools/kl_text.txt: prose, code, fourteen scripts, odd whitespace) is cut between lines into windows of
at most --tokens tokens. The reference is transformers on the dequantized weights; llama.cpp is measured on the
same tokens. Prints one line a program; exits with 1 if `uma --exact` is not under 1e-4, or `uma` not under
llama.cpp. --reference keeps the reference's logits between runs. A check for development: needs torch,
transformers, llama-cpp-python.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import llama_cpp
import numpy as np


def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def kls(reference, other):
    p, q = log_softmax(reference), log_softmax(other)
    return (np.exp(p) * (p - q)).sum(axis=1)


def cut(llm, text, most):
    """Pieces of whole lines, each of at most `most` tokens: [(text, tokens)]"""
    pieces, held = [], ""
    count = lambda s: len(llm.tokenize(s.encode(), add_bos=True, special=False))
    for line in text.splitlines(keepends=True):
        if held and count(held + line) > most:
            pieces.append(held)
            held = ""
        held += line
    pieces.append(held)
    return [(p, llm.tokenize(p.encode(), add_bos=True, special=False)[:most]) for p in pieces]


def llama_cpp_logits(llm, tokens):
    llm.reset()
    llm.eval(tokens)
    return np.array(llm.scores[:len(tokens)], dtype=np.float32)


def reference_logits(args, pieces):
    if args.reference and args.reference.exists():
        kept = np.load(args.reference)
        return [kept[f"arr_{i}"] for i in range(len(pieces))]
    import torch
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(args.model.parent, gguf_file=args.model.name, dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    with torch.no_grad():
        logits = [model(torch.tensor([tokens])).logits[0].float().numpy() for _, tokens in pieces]
    if args.reference:
        np.savez(args.reference, *logits)
    return logits


def uma_logits(args, text, isa, *flags):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "text").write_text(text, encoding="utf-8", newline="")
        env = dict(os.environ, **({"UMA_ISA": isa} if isa else {}))
        done = subprocess.run([args.uma, "perplexity", args.model, folder / "text", "--ctx", str(args.tokens),
                               "--logits-out", folder / "logits.npy", "--json", *flags],
                              check=True, capture_output=True, env=env)
        return json.loads(done.stdout), np.load(folder / "logits.npy")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path, nargs="?", default=pathlib.Path(__file__).with_name("kl_text.txt"))
    parser.add_argument("--uma", type=pathlib.Path, default=pathlib.Path("build/uma"))
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--isa", action="append", help="UMA_ISA to run with; the machine's own where not given")
    parser.add_argument("--reference", type=pathlib.Path)
    args = parser.parse_args()
    llm = llama_cpp.Llama(str(args.model), n_ctx=args.tokens, n_batch=args.tokens, n_ubatch=args.tokens,
                          logits_all=True, verbose=False)
    pieces = cut(llm, args.text.read_bytes().decode(), args.tokens)
    reference = reference_logits(args, pieces)
    peer = [kls(r, llama_cpp_logits(llm, tokens)) for r, (_, tokens) in zip(reference, pieces)]
    bar = float(np.concatenate(peer).mean())
    print(f"{sum(len(t) for _, t in pieces)} tokens in {len(pieces)} windows")
    print(f"llama.cpp            {bar:.3g}")
    right = True
    for isa in args.isa or [""]:
        for flags, most in (((), bar), (("--exact",), 1e-4)):
            all_kls = []
            for (text, tokens), wanted in zip(pieces, reference):
                _, logits = uma_logits(args, text, isa, *flags)
                assert len(logits) >= len(tokens), (len(logits), len(tokens))
                all_kls.append(kls(wanted, logits[:len(tokens)]))
            every = np.concatenate(all_kls)
            right = right and every.mean() <= most
            print(f"uma {isa:8} {' '.join(flags):7}  {every.mean():.3g}  (at most {most:.3g}; worst token {every.max():.3g})",
                  flush=True)
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
