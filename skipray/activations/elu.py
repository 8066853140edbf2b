"""x above 0, alpha (exp(x) - 1) below (Clevert et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from skipray.activations import Expressions
    from skipray.theory.activations import Pointwise

ARGUMENTS: dict[str, float | None] = {"alpha": 1.0}
KEPT = 1


def make(layers: int, alpha: float) -> Callable[[torch.Tensor], torch.Tensor]:
    from functools import partial

    from torch.nn.functional import elu

    return partial(elu, alpha=float(alpha))


def write(layers: int, alpha: float) -> Expressions:
    from skipray.activations import Expressions

    return Expressions.of("elu", "elu_backward", before=(float(alpha), 1, 1, False), forward=(float(alpha),))


def pointwise(layers: int, alpha: float) -> Pointwise:
    import numpy as np

    from skipray.theory.activations import Pointwise

    return Pointwise(
        lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x: np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))),
    )
