"""max(x, 0) + slope min(x, 0). The default slope is torch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from skipray.activations import Expressions
    from skipray.theory.activations import Pointwise

ARGUMENTS: dict[str, float | None] = {"slope": 0.01}
KEPT = 1


def make(layers: int, slope: float) -> Callable[[torch.Tensor], torch.Tensor]:
    from functools import partial

    from torch.nn.functional import leaky_relu

    return partial(leaky_relu, negative_slope=float(slope))


def write(layers: int, slope: float) -> Expressions:
    from skipray.activations import Expressions

    return Expressions.of("leaky_relu", "leaky_relu_backward", float(slope), False, forward=(float(slope),))


def gain(slope: float) -> float:
    """He et al. 2015 (Delving Deep into Rectifiers), equation 15."""
    return float((2 / (1 + slope**2)) ** 0.5)


def pointwise(layers: int, slope: float) -> Pointwise:
    from skipray.theory.activations import leaky_relu

    return leaky_relu(slope)
