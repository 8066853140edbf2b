"""max(x, 0)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from skipray.activations import Gradient

ARGUMENTS: dict[str, float | None] = {}
KEPT = 0


def make(layers: int) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch

    return torch.relu


def make_in_place(layers: int) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch

    return torch.relu_


def gain() -> float:
    return 2**0.5  # it halves the mean square


def make_gradient(layers: int) -> Gradient | None:
    from skipray.torch_private import operator

    kernel = operator("threshold_backward")
    if kernel is None:
        return None

    def gradient(of_output: torch.Tensor, output: torch.Tensor, into: torch.Tensor | None) -> torch.Tensor:
        if into is None:
            return kernel.default(of_output, output, 0)
        return kernel.grad_input(of_output, output, 0, grad_input=into)

    return gradient
