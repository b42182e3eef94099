#!/usr/bin/env python3
"""Compares uma's token ids, pieces and ends of answers with llama.cpp's.

    python tools/tokenizer_oracle.py --batch BUILD/tests/uma_tokenizer_batch FILE.gguf...      these vocabularies
    python tools/tokenizer_oracle.py --batch ... --rules BASE.gguf      every name of tokenizer.ggml.pre
    python tools/tokenizer_oracle.py --batch ... --options              options and kinds, on made vocabularies
    python tools/tokenizer_oracle.py --freeze tests/golden/tokenizer FILE.gguf...   writes goldens of llama.cpp's ids

Needs llama-cpp-python and gguf. Prints what differs and exits with 1. A text that makes llama.cpp abort counts
as nothing to compare; uma must survive it all the same.
"""
import argparse
import ctypes
import json
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile

import tokenizer_texts
import tokenizer_vocabs


def llama_answer(lc, vocab, what, text):
    if what != "v":
        ids = (lc.llama_token * (len(text) * 4 + 16))()
        n = lc.llama_tokenize(vocab, text, len(text), ids, len(ids), bool(what & 1), bool(what & 2))
        return list(ids[:n])
    answer = []
    buffer = ctypes.create_string_buffer(1 << 16)
    for i in range(lc.llama_vocab_n_tokens(vocab)):
        pieces = [buffer[:max(0, lc.llama_token_to_piece(vocab, i, buffer, len(buffer), 0, special))]
                  for special in (True, False)]
        answer.append((pieces[0], pieces[1], bool(lc.llama_vocab_is_eog(vocab, i))))
    return answer


def llama_worker(path, requests, pipe):
    """Writes an answer a request; a child answers, as llama.cpp may abort."""
    import llama_cpp as lc

    params = lc.llama_model_default_params()
    params.vocab_only = True
    model = lc.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        return
    vocab = lc.llama_model_get_vocab(model)
    pickle.dump("loaded", pipe)
    pipe.flush()
    done = 0
    while done < len(requests):
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                for what, text in requests[done:]:
                    pickle.dump(llama_answer(lc, vocab, what, text), pipe)
                    pipe.flush()
                    os.write(write_end, b".")
            finally:
                os._exit(0)
        os.close(write_end)
        while chunk := os.read(read_end, 1 << 16):
            done += len(chunk)
        os.close(read_end)
        os.waitpid(pid, 0)
        if done < len(requests):
            pickle.dump(None, pipe)
            pipe.flush()
            done += 1


def ask_llama(path, requests):
    """Answers, None where llama.cpp died; or None if it cannot read the file."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read_end)
            os.environ["GGML_NO_BACKTRACE"] = "1"
            devnull = os.open(os.devnull, os.O_WRONLY)
            if not os.environ.get("LLAMA_LOG"):
                os.dup2(devnull, 2)
            with os.fdopen(write_end, "wb") as pipe:
                llama_worker(path, requests, pipe)
        finally:
            os._exit(0)
    os.close(write_end)
    answers = []
    with os.fdopen(read_end, "rb") as pipe:
        try:
            while True:
                answers.append(pickle.load(pipe))
        except EOFError:
            pass
    os.waitpid(pid, 0)
    return answers[1:] if answers else None


def ask_uma(batch, path, requests):
    """Answers; an encoding error is a string. A file that cannot be read gives its sentence instead."""
    stdin = b"".join(bytes([ord(w) if w == "v" else w]) + struct.pack("<I", len(t)) + t for w, t in requests)
    run = subprocess.run([batch, path], input=stdin, capture_output=True)
    if run.returncode == 1 and not run.stdout:
        return run.stderr.decode().strip()
    if run.returncode != 0:
        raise SystemExit("%s: uma ended with %d: %s" % (path, run.returncode, run.stderr.decode()[-500:]))
    at = 0

    def number():
        nonlocal at
        at += 4
        return struct.unpack_from("<I", run.stdout, at - 4)[0]

    def string():
        nonlocal at
        n = number()
        at += n
        return run.stdout[at - n:at]

    answers = []
    for what, _ in requests:
        n = number()
        if what == "v":
            answers.append([(string(), string(), bool(number())) for _ in range(n)])
        elif n == 0xffffffff:
            answers.append(string().decode())
        else:
            answers.append(list(struct.unpack_from("<%di" % n, run.stdout, at)))
            at += 4 * n
    return answers


def specials_of(path):
    """Texts of control, user-defined and unknown tokens, and a few that look like such."""
    import gguf

    fields = gguf.GGUFReader(path).fields
    tokens, types = fields["tokenizer.ggml.tokens"], fields.get("tokenizer.ggml.token_type")
    out = ["<|im_end|>", "<eos>", "</s>", "<|endoftext|>", "<|nonesuch|>", "<|end|>"]
    if types is not None:
        kinds = [int(types.parts[i][0]) for i in types.data]
        at = [i for i, k in enumerate(kinds) if k in (2, 3, 4)]
        for i in at[:40] + at[-40:]:
            out.append(bytes(tokens.parts[tokens.data[i]]).decode("utf-8", "replace"))
    return out


def requests_for(path, cases, seed, broken):
    requests = [(flags, text) for text in tokenizer_texts.fixed_texts() for flags in (0,)]
    for i, text in enumerate(tokenizer_texts.texts(cases, seed, specials_of(path), broken)):
        requests.append((i % 4, text))
    return requests


def shortened(same, text, limit=400):
    """A smaller text that still differs."""
    step = max(1, len(text) // 2)
    while step >= 1 and limit > 0:
        at, shrunk = 0, False
        while at < len(text) and limit > 0:
            candidate = text[:at] + text[at + step:]
            limit -= 1
            if candidate and not same(candidate):
                text, shrunk = candidate, True
            else:
                at += step
        if not shrunk or step > len(text):
            step //= 2
    return text


def compare(args, path, name=None, seed=1):
    """How many answers differ."""
    name = name or pathlib.Path(path).stem
    requests = requests_for(path, args.cases, seed, not args.valid)
    if not args.no_pieces:
        requests.insert(0, ("v", b""))
    theirs = ask_llama(path, requests)
    ours = ask_uma(args.batch, path, requests)
    if theirs is None or isinstance(ours, str):
        both = theirs is None and isinstance(ours, str)
        print("%-28s %s" % (name, "neither reads it: %s" % ours if both else
                            "llama.cpp cannot read it" if theirs is None else "uma cannot read it: %s" % ours))
        return 0 if both else 1
    bad, died, shown = 0, 0, 0
    for (what, text), them, us in zip(requests, theirs, ours):
        if them is None:
            died += 1
            continue
        if them == us:
            continue
        if what == "v":
            for i, (a, b) in enumerate(zip(them, us)):
                if a != b:
                    bad += 1
                    if bad <= args.show:
                        print("  %s token %d: llama.cpp %r, uma %r" % (name, i, a, b))
            continue
        bad += 1
        if shown < args.show:
            shown += 1

            def same(t):
                a, b = ask_llama(path, [(what, t)])[0], ask_uma(args.batch, path, [(what, t)])[0]
                return a is None or a == b

            small = shortened(same, text, args.shorten) if args.shorten else text
            print("  %s flags %d %r\n    llama.cpp %s\n    uma       %s" % (
                name, what, small, ask_llama(path, [(what, small)])[0], ask_uma(args.batch, path, [(what, small)])[0]))
    print("%-28s %d of %d differ%s" % (name, bad, len(requests), ", llama.cpp died on %d" % died if died else ""), flush=True)
    return bad


def compare_rules(args):
    """Every name of tokenizer.ggml.pre, on vocabularies that show each cut."""
    bad = 0
    names = [n for n in tokenizer_vocabs.rule_names() if args.only is None or n in args.only.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/vocab.gguf"
        for i, name in enumerate(names):
            ids = {"bos_token_id": 0, "eos_token_id": 1, "unknown_token_id": 2, "seperator_token_id": 3}
            if name in ("gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"):
                tokenizer_vocabs.character_pairs(path, name, ids=ids)
            else:
                tokenizer_vocabs.byte_pairs(path, name, ids=ids, flags={"add_sep_token": True} if i % 2 else None)
            bad += compare(args, path, name, seed=args.seed + i)
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--batch", help="the program uma_tokenizer_batch")
    parser.add_argument("--rules", action="store_true", help="every name of tokenizer.ggml.pre")
    parser.add_argument("--only", help="some of them, with commas")
    parser.add_argument("--options", action="store_true")
    parser.add_argument("--freeze", metavar="FOLDER")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=3, help="differences printed in full")
    parser.add_argument("--shorten", type=int, default=0, help="attempts at a shorter text for each")
    parser.add_argument("--valid", action="store_true", help="no broken UTF-8")
    parser.add_argument("--no-pieces", action="store_true")
    args = parser.parse_args()
    bad = compare_rules(args) if args.rules else 0
    bad += sum(compare(args, path, seed=args.seed) for path in args.files)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
