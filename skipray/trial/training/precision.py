"""The recipe's precision.

float32 means IEEE float32 (TF32 off, see `skipray.trial`); bfloat16 is autocast, with float32 weights.
"""

from contextlib import AbstractContextManager, nullcontext

import torch

from skipray.spec import Recipe


def autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[object]:
    """The recipe's precision, as a context for a forward pass."""
    if recipe.precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
