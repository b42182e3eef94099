#!/usr/bin/env python3
"""Runs the binary over random mutations of the tiny models: no signal, no hang, no memory beyond bounds.

    python tools/mutate_models.py build/uma tests/golden/models [--count 2000] [--seed 1]

A mutant that opens must give exit code 0; any other, 1 and one line on stderr. Prints each that does neither,
keeps its file, and exits with 1.
"""
import argparse
import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading

EDGES = [0, 1, 2, 3, 7, 31, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
FLOATS = [float("nan"), float("inf"), float("-inf"), 0.0, -1.0, 1e-45, 3e38]
# The program, its libraries and a cache of a few tokens; a mutant's file has 0.1 MB.
MAX_RSS_KB = 300_000
TIMEOUT_S = 60


def mutate(data, rng):
    data = bytearray(data)
    # The header is where the structure is: most changes go there.
    header = data.rfind(b"output_norm") + 64 if b"output_norm" in data else len(data)
    keys = [m.end() for m in re.finditer(rb"(general|tokenizer|llama|qwen[23]|gemma[23])\.[a-z_.]+", data[:header])]
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        kind = rng.randrange(8)
        at = rng.randrange(min(header, len(data) - 8) if rng.random() < 0.8 else len(data) - 8)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.randrange(256)
        elif kind == 2:
            size, code = rng.choice([(4, "<I"), (8, "<Q")])
            data[at:at + size] = struct.pack(code, rng.choice(EDGES) % 2**(8 * size))
        elif kind == 3 and keys:  # the value of a key, behind its type
            at = rng.choice(keys) + 4
            data[at:at + 4] = struct.pack("<I", rng.choice(EDGES) % 2**32)
        elif kind == 4 and keys:
            at = rng.choice(keys) + 4
            data[at:at + 4] = struct.pack("<f", rng.choice(FLOATS))
        elif kind == 5:
            at = rng.randrange(header, len(data) - 8) if header < len(data) - 8 else at
            data[at:at + 4] = struct.pack("<f", rng.choice(FLOATS))
        elif kind == 6:
            if rng.random() < 0.3:
                at, end = rng.randrange(len(data)), len(data)
            else:
                end = at + rng.randrange(1, 9)
            del data[at:end]
        else:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        if len(data) < 64:
            break
    return bytes(data)


def run(binary, command, path, text):
    arguments = {"show": ["show", path, "--tensors"], "show-json": ["show", path, "--json"],
                 "run": ["run", path, "--max-tokens", "3", "--threads", "1", "the"],
                 "run-exact": ["run", path, "--max-tokens", "3", "--threads", "1", "--exact", "--temp", "0", "the"],
                 "tokenize": ["tokenize", path], "perplexity": ["perplexity", path, text, "--ctx", "16"]}[command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([binary, *arguments], stdin=open(text), stdout=out, stderr=err)
        timer = threading.Timer(TIMEOUT_S, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        return process.returncode, err.read().decode("utf-8", "replace"), usage.ru_maxrss


def fault_of(command, code, err, rss):
    if code not in (0, 1):
        return f"exit code {code}"
    if rss > MAX_RSS_KB:
        return f"{rss} kB of memory"
    lines = [line for line in err.splitlines() if line.strip()]
    if code == 1 and (len(lines) != 1 or not lines[0].startswith("uma: [")):
        return f"stderr: {lines}"
    if any(word in err for word in ("std::", "basic_string", "bad_alloc", "vector::", "internal")):
        return f"not our sentence: {err}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("models")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    seeds = [path.read_bytes() for path in sorted(pathlib.Path(options.models).glob("*.gguf"))]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="uma_mutants_"))
    text = folder / "text"
    text.write_text("The quick brown fox jumps over the lazy dog; <|end|> of it. " * 3)
    commands = ["show", "show-json", "run", "run-exact", "tokenize", "perplexity"]

    def one(number):
        rng = random.Random(options.seed * 1_000_003 + number)
        path = folder / f"{number}.gguf"
        path.write_bytes(mutate(rng.choice(seeds), rng))
        command = commands[number % len(commands)]
        code, err, rss = run(options.binary, command, str(path), str(text))
        fault = fault_of(command, code, err, rss)
        if fault is None:
            path.unlink()
        else:
            print(f"{path}: {command}: {fault}", flush=True)
        return fault is not None, code, rss

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(one, range(options.count)))
    bad = sum(r[0] for r in results)
    print(f"{len(results)} mutants: {sum(r[1] == 0 for r in results)} opened, {sum(r[1] == 1 for r in results)} were "
          f"refused, {bad} at fault; at most {max(r[2] for r in results)} kB")
    if bad == 0:
        shutil.rmtree(folder)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
