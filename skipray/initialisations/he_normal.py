"""He et al. 2015 (Delving Deep into Rectifiers), equation 10: N(0, 2 / fan_in), whatever the activation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.initialisations._scheme import fan_in

if TYPE_CHECKING:
    import torch

    from skipray.initialisations import Layer


def fill(weight: torch.Tensor, layer: Layer, generator: torch.Generator) -> None:
    weight.normal_(0, (2 / fan_in(weight)) ** 0.5, generator=generator)
