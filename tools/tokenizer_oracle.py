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
import itertools
import json
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import zlib

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


def requests_for(path, cases, seed, broken, fixed):
    requests = [(0, text) for text in tokenizer_texts.fixed_texts()] if fixed else []
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


def compare(args, path, name=None, seed=1, alias=False):
    """How many answers differ."""
    name = name or pathlib.Path(path).stem
    requests = requests_for(path, args.cases // 4 if alias else args.cases, seed, not args.valid, fixed=not (alias or args.no_fixed))
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


def freeze(path, folder):
    """A golden: texts, llama.cpp's ids for them, and which tokens end an answer."""
    specials = specials_of(path)[6:]
    specials = [t for i, t in enumerate(specials) if t and (i < 12 or i % 8 == 0)]
    texts = [t.encode() for t in tokenizer_texts.golden_texts()]
    texts += [b"a" + t + b"b" + t for t in tokenizer_texts.BROKEN if t not in (b"\xf4\x90\x80\x80",)]
    requests = [(0, t) for t in texts] + [(1, b""), (1, b"Hello"), (1, b" Hello\n")]
    for i, special in enumerate(specials):
        text = ("%s %s  Hi%s\n" % (special, specials[i - 1], special)).encode()
        requests += [(0, text), (3, text)]
    answers = ask_llama(path, [("v", b"")] + requests)
    rows = []
    for (flags, text), ids in zip(requests, answers[1:]):
        if ids is None:
            continue
        try:
            rows.append({"flags": flags, "text": text.decode(), "ids": ids})
        except UnicodeDecodeError:
            rows.append({"flags": flags, "hex": text.hex(), "ids": ids})
    pieces = zlib.crc32(b"".join(struct.pack("<I", len(a)) + a + struct.pack("<I", len(b)) + b for a, b, _ in answers[0]))
    golden = {"file": pathlib.Path(path).name, "tokens": len(answers[0]), "pieces_crc32": pieces,
              "end_ids": [i for i, (_, _, end) in enumerate(answers[0]) if end]}
    write_golden(folder, MODEL_NAMES.get(pathlib.Path(path).stem, pathlib.Path(path).stem), golden, rows)


# What the store calls the models of the catalogue.
MODEL_NAMES = {"sha256-1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32": "qwen25_coder_05b",
               "sha256-a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818": "gemma3_270m"}


def write_golden(folder, name, golden, rows):
    lines = ",\n".join(json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in rows)
    head = json.dumps(golden, ensure_ascii=True)[:-1]
    (pathlib.Path(folder) / (name + ".json")).write_text(head + ', "rows": [\n' + lines + "\n]}\n")


def freeze_rules(folder):
    """A golden of each rule's ids; names whose ids are the same share a row."""
    texts = tokenizer_texts.rule_texts()
    groups = {}
    with tempfile.TemporaryDirectory() as temporary:
        template, path = temporary + "/template.gguf", temporary + "/vocab.gguf"
        tokenizer_vocabs.byte_pairs(template, tokenizer_vocabs.PLACEHOLDER, specials=False)
        for name in sum(tokenizer_vocabs.rule_rows(), []):
            if name in tokenizer_vocabs.CHARACTER_RULES:
                continue
            tokenizer_vocabs.set_rule(template, path, name)
            answers = ask_llama(path, [(0, t.encode()) for t in texts])
            groups.setdefault(json.dumps(answers), []).append(name)
    rows = [{"names": names, "ids": json.loads(ids)} for ids, names in groups.items()]
    write_golden(folder, "rules", {"whole": tokenizer_vocabs.WHOLE, "texts": texts}, rows)


def compare_rules(args):
    """Every name of tokenizer.ggml.pre, on vocabularies that show each cut; a row's first name on all texts."""
    bad = 0
    ids = {"bos_token_id": 0, "eos_token_id": 1, "unknown_token_id": 2, "seperator_token_id": 3}
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/vocab.gguf"
        pairs, characters = folder + "/pairs.gguf", folder + "/characters.gguf"
        tokenizer_vocabs.byte_pairs(pairs, tokenizer_vocabs.PLACEHOLDER, ids=ids, flags={"add_sep_token": True})
        tokenizer_vocabs.character_pairs(characters, tokenizer_vocabs.PLACEHOLDER, ids=ids)
        for row in tokenizer_vocabs.rule_rows():
            for i, name in enumerate(row):
                if args.only and name not in args.only.split(","):
                    continue
                tokenizer_vocabs.set_rule(characters if name in tokenizer_vocabs.CHARACTER_RULES else pairs, path, name)
                bad += compare(args, path, name, args.seed + zlib.crc32(name.encode()) % 1000, alias=i > 0)
    return bad


def compare_options(args):
    """Each kind of vocabulary with every setting of the flags that it heeds."""
    bad = 0
    named = {name: i for i, name in enumerate(("bos_token_id", "eos_token_id", "unknown_token_id", "seperator_token_id"))}
    bert = {"unknown_token_id": 1, "cls_token_id": 2, "bos_token_id": 2, "seperator_token_id": 3, "eos_token_id": 3}
    kinds = [("bpe", lambda path, **o: tokenizer_vocabs.byte_pairs(path, "qwen2", **o), named,
              ("add_bos_token", "add_eos_token", "add_sep_token")),
             ("spm", tokenizer_vocabs.scored_pieces, named, ("add_bos_token", "add_eos_token", "add_space_prefix")),
             ("bert", tokenizer_vocabs.word_pieces, bert, ("add_bos_token", "add_eos_token", "normalizer.lowercase"))]
    with tempfile.TemporaryDirectory() as folder:
        for kind, make, ids, flags in kinds:
            for setting in itertools.product((None, False, True), repeat=len(flags)):
                chosen = {flag: value for flag, value in zip(flags, setting) if value is not None}
                name = " ".join([kind] + ["%s=%d" % item for item in chosen.items()])
                if args.only and kind not in args.only.split(","):
                    continue
                make(folder + "/vocab.gguf", ids=ids, flags=chosen)
                bad += compare(args, folder + "/vocab.gguf", name, args.seed + zlib.crc32(name.encode()) % 1000, alias=True)
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--batch", help="the program uma_tokenizer_batch")
    parser.add_argument("--rules", action="store_true", help="every name of tokenizer.ggml.pre")
    parser.add_argument("--only", help="some of them (of --options: bpe, spm, bert), with commas")
    parser.add_argument("--options", action="store_true", help="every setting of the flags, on made vocabularies")
    parser.add_argument("--freeze", metavar="FOLDER")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=3, help="differences printed in full")
    parser.add_argument("--shorten", type=int, default=0, help="attempts at a shorter text for each")
    parser.add_argument("--valid", action="store_true", help="no broken UTF-8")
    parser.add_argument("--no-pieces", action="store_true")
    parser.add_argument("--no-fixed", action="store_true", help="random texts only")
    args = parser.parse_args()
    if args.freeze:
        for path in args.files:
            freeze(path, args.freeze)
        if args.rules:
            freeze_rules(args.freeze)
        return
    bad = compare_rules(args) if args.rules else 0
    bad += compare_options(args) if args.options else 0
    bad += sum(compare(args, path, seed=args.seed) for path in args.files)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
