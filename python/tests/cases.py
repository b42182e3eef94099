"""The cases that are compared with MLX; see oracle.py."""

import case_layers
import case_losses
import case_module
import case_optimizers


def all_cases():
    merged = {}
    for module in (case_layers, case_losses, case_module, case_optimizers):
        for name, case in module.CASES.items():
            assert name not in merged, name
            merged[name] = case
    return merged
