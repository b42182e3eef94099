#!/usr/bin/env python3
"""What a real model says, for tests/model_golden_test.cc: greedy tokens and the largest logits.

    python tools/make_model_goldens.py MODEL.gguf tests/golden/models/NAME.json

transformers expands the file's weights to float32 and runs a plain forward pass; llama-cpp-python makes the
token ids of the prompts. `margin` is the least distance between the best and the second logit on the way: a
prompt whose margin is small would test rounding, not the model, and is refused.
"""
import argparse
import json
import pathlib

import llama_cpp
import torch
from transformers import AutoModelForCausalLM

PROMPTS = [
    "The capital of France is Paris. The capital of Japan is",
    "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "1, 2, 3, 4, 5, 6, 7, 8,",
    "Zwei Dinge sind unendlich: das Universum und",
    "Once upon a time there was a little girl who",
    "The chemical symbols of hydrogen, helium, lithium and carbon are",
]
KEEP, ANSWER, TOP, LEAST_MARGIN = 3, 32, 8, 0.01


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    vocab = llama_cpp.Llama(str(args.model), vocab_only=True, verbose=False)
    model = AutoModelForCausalLM.from_pretrained(args.model.parent, gguf_file=args.model.name, dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    cases = []
    for text in PROMPTS:
        prompt = vocab.tokenize(text.encode(), add_bos=True, special=False)
        tokens, margin, first = list(prompt), float("inf"), None
        with torch.no_grad():
            for _ in range(ANSWER):
                logits = model(torch.tensor([tokens])).logits[0, -1].float()
                first = logits if first is None else first
                best = logits.topk(2)
                margin = min(margin, float(best.values[0] - best.values[1]))
                tokens.append(int(best.indices[0]))
        print(f"margin {margin:.4f}: {text!r} -> {tokens[len(prompt):]}")
        if margin < LEAST_MARGIN:
            continue
        top = first.topk(TOP)
        cases.append({"text": text, "prompt": prompt, "greedy": tokens[len(prompt):], "margin": round(margin, 4),
                      "logsumexp": round(float(first.double().logsumexp(0)), 6),
                      "top": [[int(i), round(float(v), 6)] for i, v in zip(top.indices, top.values)]})
    assert len(cases) >= KEEP, "too few prompts with a clear answer"
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases[:KEEP])
    args.out.write_text("[\n" + lines + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
