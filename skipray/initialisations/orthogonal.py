"""Saxe et al. 2014: each weight is a random (semi-)orthogonal matrix (outputs, inputs x kernel), group by group.

The gain is sqrt(2) for relu, else 1. A kernel that is orthogonal as a flattened matrix is not an orthogonal map of
feature maps: that is `delta_orthogonal`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.initialisations.filling.scheme import fan_in, gain
from skipray.initialisations.filling.scheme import orthogonal as orthogonal_matrix
from skipray.initialisations.filling.scheme import squared_gain as sigma_w_squared

__all__ = ["fill", "sigma_w_squared"]

if TYPE_CHECKING:
    import torch

    from skipray.initialisations import Layer

TAKES_GAIN = True


def fill(weight: torch.Tensor, layer: Layer, generator: torch.Generator) -> None:
    for group in weight.chunk(layer.groups):
        group.copy_(gain(layer) * orthogonal_matrix(len(group), fan_in(group), generator).view_as(group))
