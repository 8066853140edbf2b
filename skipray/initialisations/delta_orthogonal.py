"""Xiao et al. 2018, section 3.2 and algorithm 1: zero kernels but for an orthogonal matrix at their centre.

The convolution then keeps the norm of every feature map (times the gain: sqrt(2) for relu, else 1) where it has no
more inputs than outputs; where it has more (a bottleneck's first layer), the centre has orthonormal rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.initialisations import Refused
from skipray.initialisations.filling.scheme import gain, orthogonal
from skipray.initialisations.filling.scheme import squared_gain as sigma_w_squared
from skipray.spec import ModelSpec

__all__ = ["check", "fill", "sigma_w_squared"]

if TYPE_CHECKING:
    import torch

    from skipray.initialisations import Layer

TAKES_GAIN = True


def check(model: ModelSpec) -> None:
    if model.kind == "mlp":
        raise Refused(
            "found delta_orthogonal with mlp, which has no kernels; allowed: cnn, or orthogonal, its equal there",
            "initialisation",
        )


def fill(weight: torch.Tensor, layer: Layer, generator: torch.Generator) -> None:
    weight.zero_()
    for group in weight.chunk(layer.groups):
        matrix = gain(layer) * orthogonal(len(group), group.shape[1], generator)
        if group.dim() == 2:  # the classifier
            group.copy_(matrix)
        else:
            group[:, :, group.shape[2] // 2, group.shape[3] // 2] = matrix
