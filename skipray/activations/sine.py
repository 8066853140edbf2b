"""sin(frequency x) (Sitzmann et al. 2020, who take 30 for coordinates; 1 is ours)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from skipray.activations import Expressions
    from skipray.theory.activations import Pointwise

ARGUMENTS: dict[str, float | None] = {"frequency": 1.0}
KEPT = 1


def make(layers: int, frequency: float) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch

    def sine(x: torch.Tensor) -> torch.Tensor:
        return torch.sin(x if frequency == 1 else frequency * x)

    return sine


def write(layers: int, frequency: float) -> Expressions:
    from skipray.activations import Expressions, called

    if frequency == 1:
        return Expressions(called("sin", "{x}"), f"{{g}} * {called('cos', '{kept}')}")
    factor = float(frequency)
    return Expressions(
        called("sin", f"{factor} * {{x}}"), f"{{g}} * {called('cos', f'{factor} * {{kept}}')} * {factor}"
    )


def pointwise(layers: int, frequency: float) -> Pointwise:
    import numpy as np

    from skipray.theory.activations import Pointwise

    return Pointwise(lambda x: np.sin(frequency * x), lambda x: frequency * np.cos(frequency * x))
