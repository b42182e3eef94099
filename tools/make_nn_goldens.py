#!/usr/bin/env python3
"""Freezes what MLX returns for the cases of python/tests, for machines without it.

    tools/make_nn_goldens.py [FILE]

FILE is a list of MLX's public names, one a line; with it the names and signatures are written too. Needs mlx.
"""

import gzip
import json
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "python" / "tests"
sys.path[:0] = [str(TESTS)]

import cases  # noqa: E402
import names  # noqa: E402
import oracle  # noqa: E402


def shorten(tree):
    """Nine digits of each number say a float32 exactly."""
    if isinstance(tree, dict):
        return {k: shorten(v) for k, v in tree.items()}
    if isinstance(tree, list):
        return [shorten(v) for v in tree]
    return float(f"{tree:.9g}") if isinstance(tree, float) else tree


def write_names(world, listed):
    wanted = [n[4:] for n in listed if n.split(".")[1] in ("nn", "optimizers", "utils")]
    target = oracle.GOLDEN.with_name("names.json")
    target.write_text(json.dumps(names.describe(world, wanted), indent=0) + "\n")
    print(f"{len(wanted)} names")


def main():
    world = oracle._world("mlx", "mlx.core")
    golden = {name: shorten(oracle.plain(case(world))) for name, case in cases.all_cases().items()}
    oracle.GOLDEN.parent.mkdir(exist_ok=True)
    text = json.dumps(golden, separators=(",", ":")).encode()
    oracle.GOLDEN.write_bytes(gzip.compress(text, mtime=0))
    if len(sys.argv) > 1:
        write_names(world, Path(sys.argv[1]).read_text().split())
    print(f"{len(golden)} cases, {oracle.GOLDEN.stat().st_size} bytes of {oracle.GOLDEN.name}")


if __name__ == "__main__":
    main()
