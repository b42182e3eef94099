#!/usr/bin/env python3
"""How far uma's next-token distributions are from a plain float32 forward pass: mean KL divergence.

    python tools/kl_check.py MODEL.gguf TEXT.txt [--uma build/uma] [--tokens 256] [--reference REF.npy]

The reference is transformers on the dequantized weights; llama.cpp is measured on the same tokens. Prints one
line a program; exits with 1 if `uma --exact` is not under 1e-4, or `uma` not under llama.cpp. --reference keeps
the reference's logits between runs. A check for development: needs torch, transformers, llama-cpp-python.
"""
import argparse
import json
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


def mean_kl(reference, other):
    p, q = log_softmax(reference), log_softmax(other)
    return float((np.exp(p) * (p - q)).sum(axis=1).mean())


def llama_cpp_logits(args):
    llm = llama_cpp.Llama(str(args.model), n_ctx=args.tokens, n_batch=args.tokens, n_ubatch=args.tokens,
                          logits_all=True, verbose=False)
    tokens = llm.tokenize(args.text.read_bytes(), add_bos=True, special=False)[:args.tokens]
    llm.eval(tokens)
    return tokens, np.array(llm.scores[:len(tokens)], dtype=np.float32)


def reference_logits(args, tokens):
    if args.reference and args.reference.exists():
        return np.load(args.reference)
    import torch
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(args.model.parent, gguf_file=args.model.name, dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0].float().numpy()
    if args.reference:
        np.save(args.reference, logits)
    return logits


def uma_logits(args, *flags):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "logits.npy"
        done = subprocess.run([args.uma, "perplexity", args.model, args.text, "--ctx", str(args.tokens),
                               "--logits-out", out, "--json", *flags], check=True, capture_output=True)
        return json.loads(done.stdout), np.load(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--uma", type=pathlib.Path, default=pathlib.Path("build/uma"))
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--reference", type=pathlib.Path)
    args = parser.parse_args()
    tokens, peer = llama_cpp_logits(args)
    reference = reference_logits(args, tokens)
    bar = mean_kl(reference, peer)
    print(f"llama.cpp      {bar:.3g}")
    right = True
    for flags, most in (((), bar), (("--exact",), 1e-4)):
        said, logits = uma_logits(args, *flags)
        assert logits.shape == reference.shape, (logits.shape, reference.shape)
        kl = mean_kl(reference, logits)
        right = right and kl <= most
        print(f"uma {' '.join(flags):9}  {kl:.3g}  (at most {most:.3g}; perplexity of the text {said['perplexity']:.4f})")
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
