"""x times its logistic function (Elfwing et al. 2018; Ramachandran et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from skipray.activations import Expressions

ARGUMENTS: dict[str, float | None] = {}
KEPT = 1


def make(layers: int) -> Callable[[torch.Tensor], torch.Tensor]:
    from torch.nn.functional import silu

    return silu


def write(layers: int) -> Expressions:
    from skipray.activations import Expressions

    return Expressions.of("silu", "silu_backward")
