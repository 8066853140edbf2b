"""Looks-linear initialisation (Balduzzi et al. 2017, section 4): a ReLU network that starts as a linear one.

Units come in pairs that are each other's negative before the activation, which then holds the positive and the negative
part of one number: `W' = W x [[1, -1], [-1, 1]]` (Kronecker product) reads them and makes pairs again. The stem makes
the first pairs, the classifier reads the last ones. W is orthogonal, as theirs, of gain 1 unless the model has a
weight_gain. Their rectifier is concatenated (CReLU); here the pairs are units of an ordinary ReLU, so that the network
is the one that other schemes start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray import activations
from skipray.initialisations import Refused
from skipray.initialisations.filling.scheme import fan_in, orthogonal
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    import torch

    from skipray.initialisations import Layer

TAKES_GAIN = True
FAMILIES = ("plainnet", "preresnet", "skipinit")
"""Where the pairs stay pairs: an addition of what an activation has cut is none."""


def check(model: ModelSpec) -> None:
    if model.architecture not in FAMILIES:
        raise Refused(
            f"found looks_linear with {model.architecture}, whose additions break pairs of units; allowed: "
            f"{', '.join(FAMILIES)}",
            "initialisation",
        )
    if activations.name_of(model.activation) != "relu":
        raise Refused(f"found {activations.name_of(model.activation)} with looks_linear; allowed: relu", "activation")
    if model.normalization == "layer":
        raise Refused("found layer with looks_linear; allowed: batch, none, which are linear maps", "normalization")
    if model.bias_variance:
        raise Refused(f"found {model.bias_variance} with looks_linear, whose biases are 0; allowed: 0", "bias_variance")
    if model.layout == "imagenet":
        raise Refused("found imagenet with looks_linear, which max pooling is not; allowed: cifar", "layout")
    for width in model.widths or (model.width,):
        if width % 2:
            raise Refused(f"found {width} with looks_linear, whose units are pairs; allowed: even numbers", "width")


def fill(weight: torch.Tensor, layer: Layer, generator: torch.Generator) -> None:
    import torch

    first, last = layer.name.startswith("stem."), layer.name.startswith("classifier.")
    outputs = len(weight) if last else len(weight) // 2
    inputs = weight.shape[1] if first else weight.shape[1] // 2
    shape = (outputs, inputs, *weight.shape[2:])
    half = torch.empty(shape)
    gain = 1.0 if layer.weight_gain is None else layer.weight_gain**0.5
    half.copy_(gain * orthogonal(outputs, fan_in(half), generator).view(shape))
    if not first:
        half = _paired(half, 1)
    weight.copy_(half if last else _paired(half, 0))


def _paired(half: torch.Tensor, axis: int) -> torch.Tensor:
    """Each slice along an axis, followed by its negative."""
    import torch

    return torch.stack((half, -half), axis + 1).flatten(axis, axis + 1)
