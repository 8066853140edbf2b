"""x times the normal distribution function of x (Hendrycks and Gimpel 2016)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from skipray.activations import Expressions

ARGUMENTS: dict[str, float | None] = {}
KEPT = 1


def make(layers: int) -> Callable[[torch.Tensor], torch.Tensor]:
    from torch.nn.functional import gelu

    return gelu


def write(layers: int) -> Expressions:
    from skipray.activations import Expressions

    return Expressions.of("gelu", "gelu_backward")
