"""The hyperbolic tangent. Without biases its critical point is a gain of 1 (Pennington et al. 2017, section 3)."""

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

    return torch.tanh


def make_in_place(layers: int) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch

    return torch.tanh_


def make_gradient(layers: int) -> Gradient | None:
    from skipray.activations import gradient_of_kernel

    return gradient_of_kernel("tanh_backward")
