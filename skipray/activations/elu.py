"""x above 0, alpha (exp(x) - 1) below (Clevert et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

ARGUMENTS: dict[str, float | None] = {"alpha": 1.0}
KEPT = 1


def make(layers: int, alpha: float) -> Callable[[torch.Tensor], torch.Tensor]:
    from functools import partial

    from torch.nn.functional import elu

    return partial(elu, alpha=float(alpha))
