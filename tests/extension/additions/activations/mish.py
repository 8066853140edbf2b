"""x tanh(ln(1 + exp(x))) (Misra 2019)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

ARGUMENTS: dict[str, float | None] = {}
KEPT = 1


def make(layers: int) -> Callable[[torch.Tensor], torch.Tensor]:
    from torch.nn.functional import mish

    return mish
