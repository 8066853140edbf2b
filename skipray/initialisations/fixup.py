"""Fixup initialisation (Zhang et al. 2019, section 3): for the family of the same name.

He normal; in each of the L branches of m weight layers the last layer starts at 0 and the others are scaled by
`L^(-1/(2m - 2))`; the classifier starts at 0. Scalar biases start at 0 and multipliers at 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.initialisations import Refused
from skipray.initialisations.filling.scheme import he_normal as fill
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["check", "fill", "finish"]


def check(model: ModelSpec) -> None:
    if model.architecture != "fixup":
        raise Refused(
            f"found fixup with {model.architecture}; allowed: the family fixup, which has the scalars it needs",
            "initialisation",
        )


def finish(network: nn.Module, model: ModelSpec) -> None:
    branches = [tuple(m.branch_layers) for m in network.modules() if hasattr(m, "branch_layers")]  # type: ignore[arg-type]
    for layers in branches:
        for layer in layers[:-1]:
            layer.weight.mul_(len(branches) ** (-1 / (2 * len(layers) - 2)))
        layers[-1].weight.zero_()
    network.get_parameter("classifier.weight").zero_()
