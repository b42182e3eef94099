#!/usr/bin/env python3
"""Freezes what MLX's export_function and import_function give, where python/tests/test_export.py compares with it.

    PYTHONPATH=build/release/python:python/tests python tools/make_export_goldens.py python/tests/golden/export.json
"""
import json
import sys
import tempfile

import mlx.core as mlx
import test_export


def main():
    frozen = {}
    for family, names in test_export.NAMES.items():
        frozen[family] = {}
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                frozen[family][name] = test_export.FAMILIES[family](mlx, folder, name)
    with open(sys.argv[1], "w") as f:
        json.dump(frozen, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
