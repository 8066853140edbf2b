"""The hyperbolic tangent. Without biases its critical point is a gain of 1 (Pennington et al. 2017, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from skipray.activations import Expressions

ARGUMENTS: dict[str, float | None] = {}
KEPT = 0


def make(layers: int) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch

    return torch.tanh


def make_in_place(layers: int) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch

    return torch.tanh_


def write(layers: int) -> Expressions:
    from skipray.activations import Expressions

    return Expressions.of("tanh", "tanh_backward", in_place=True)
