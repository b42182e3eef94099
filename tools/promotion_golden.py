"""Writes python/tests/golden/promotion.json: what dtype, or which error, every function of mlx.core gives for
every dtype, pair of dtypes, and dtype beside a Python number. Needs MLX; run from the repository's root.
"""
import json
import sys

sys.path.insert(0, "python/tests")
import mlx.core as mx
from promotion import table

with open("python/tests/golden/promotion.json", "w") as f:
    json.dump(table(mx), f, indent=0, sort_keys=True)
    f.write("\n")
