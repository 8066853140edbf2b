"""N(0, 1 / fan_in): LeCun et al. 1998 (Efficient BackProp, section 4.6), and the theory's Gaussian N(0, 1/n).

With the model's weight_gain its variance is weight_gain / fan_in: sigma_w^2 of Poole et al. 2016.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.initialisations.filling.scheme import fan_in

if TYPE_CHECKING:
    import torch

    from skipray.initialisations import Layer
    from skipray.spec import ModelSpec

TAKES_GAIN = True


def fill(weight: torch.Tensor, layer: Layer, generator: torch.Generator) -> None:
    gain = 1.0 if layer.weight_gain is None else layer.weight_gain
    weight.normal_(0, (gain / fan_in(weight)) ** 0.5, generator=generator)


def sigma_w_squared(model: ModelSpec) -> float:
    return 1.0 if model.weight_gain is None else model.weight_gain
