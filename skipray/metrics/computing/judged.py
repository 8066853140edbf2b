"""A batch of scores beside what they should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Judged:
    """What a split metric reads."""

    scores: Tensor
    """(N, C), or (N, L, C) where each of L positions has a label."""
    targets: Tensor
    """Class numbers (N,) or (N, L), or values (N, C)."""
    count: int
    """How many labels count."""
    mean_loss: Callable[[Tensor, Tensor], Tensor] | None
    """Of scores and targets; None: the cross-entropy of classes."""
