"""What several schemes share. A weight has axes (outputs, inputs / groups, kernel height, kernel width)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray import activations

if TYPE_CHECKING:
    import torch

    from skipray.initialisations import Layer
    from skipray.spec import ModelSpec


def fan_in(weight: torch.Tensor) -> int:
    return weight[0].numel()


def fan_out(weight: torch.Tensor, groups: int) -> int:
    return weight[:, 0].numel() // groups


def he_normal(weight: torch.Tensor, layer: Layer, generator: torch.Generator) -> None:
    """N(0, 2 / fan_in): He et al. 2015 (Delving Deep into Rectifiers), equation 10, whatever the activation."""
    weight.normal_(0, (2 / fan_in(weight)) ** 0.5, generator=generator)


def gain(layer: Layer) -> float:
    """What an orthogonal layer is multiplied by: the root of the model's weight_gain, or what keeps the mean square of
    the activations: sqrt(2) for relu, which halves it, and 1 for linear and for tanh, whose critical point without
    biases it is (Pennington et al. 2017, section 3), and for a family of one's own that names none."""
    if layer.weight_gain is not None:
        return layer.weight_gain**0.5
    return 1.0 if layer.activation is None else activations.gain(layer.activation)


def squared_gain(model: ModelSpec) -> float:
    """sigma_w^2 of orthogonal layers: their square matrices have entries of variance gain^2 / fan_in."""
    if model.weight_gain is not None:
        return model.weight_gain
    return 1.0 if model.activation is None else activations.gain(model.activation) ** 2


def orthogonal(outputs: int, inputs: int, generator: torch.Generator) -> torch.Tensor:
    """A random matrix (outputs, inputs) with orthonormal rows or columns, whichever are fewer (Haar measure)."""
    import torch

    return torch.nn.init.orthogonal_(torch.empty(outputs, inputs), generator=generator)
