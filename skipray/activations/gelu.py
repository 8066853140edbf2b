"""x times the normal distribution function of x (Hendrycks and Gimpel 2016)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from skipray.activations import Gradient

ARGUMENTS: dict[str, float | None] = {}
KEPT = 1


def make(layers: int) -> Callable[[torch.Tensor], torch.Tensor]:
    from torch.nn.functional import gelu

    return gelu


def make_gradient(layers: int) -> Gradient | None:
    from skipray.activations import gradient_of_kernel

    return gradient_of_kernel("gelu_backward")
