"""Dirac parametrisation (Zagoruyko & Komodakis 2017): every weight layer of a block is `W = diag(a) I + W'`.

A parametrisation rather than a scheme: the networks are built from layers that learn a, b and V in
`W' = diag(b) V / |V|`, and start from a = 1, b = 0.1 (their code). V starts as He normal, of which only the
direction counts. Stem, classifier and projections are ordinary He-normal layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.initialisations import Refused
from skipray.initialisations.filling.scheme import he_normal as fill
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["fill", "finish"]


def finish(network: nn.Module, model: ModelSpec) -> None:
    if not any(hasattr(module, "effective_weight") for module in network.modules()):
        raise Refused(
            f"found dirac, but {model.architecture} builds no layers with an effective_weight; "
            "allowed: a family that builds them, or another scheme",
            "initialisation",
        )
