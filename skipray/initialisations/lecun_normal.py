"""N(0, 1 / fan_in): LeCun et al. 1998 (Efficient BackProp, section 4.6), and the theory's Gaussian N(0, 1/n)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.initialisations._scheme import fan_in

if TYPE_CHECKING:
    import torch

    from skipray.initialisations import Layer


def fill(weight: torch.Tensor, layer: Layer, generator: torch.Generator) -> None:
    weight.normal_(0, (1 / fan_in(weight)) ** 0.5, generator=generator)
