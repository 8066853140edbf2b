"""Glorot & Bengio 2010, equation 16: uniform with variance 2 / (fan_in + fan_out)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.initialisations.filling.scheme import fan_in, fan_out

if TYPE_CHECKING:
    import torch

    from skipray.initialisations import Layer
    from skipray.spec import ModelSpec


def fill(weight: torch.Tensor, layer: Layer, generator: torch.Generator) -> None:
    bound = (6 / (fan_in(weight) + fan_out(weight, layer.groups))) ** 0.5
    weight.uniform_(-bound, bound, generator=generator)


def sigma_w_squared(model: ModelSpec) -> float:
    return 1.0  # between equal widths
