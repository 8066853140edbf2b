"""The scaled ELU whose mean and variance have a stable fixed point (Klambauer et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from skipray.activations import Expressions

ARGUMENTS: dict[str, float | None] = {}
KEPT = 1
ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805
"""Klambauer et al. 2017, equation 14."""


def make(layers: int) -> Callable[[torch.Tensor], torch.Tensor]:
    from torch.nn.functional import selu

    return selu


def write(layers: int) -> Expressions:
    from skipray.activations import Expressions

    return Expressions.of("selu", "elu_backward", before=(ALPHA, SCALE, 1, False))
