"""How far training has moved the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from skipray.metrics import Absent, NetworkMetric

if TYPE_CHECKING:
    from torch import Tensor

    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="norm.distance",
    definition="Frobenius norm of the changes of all weights together since initialisation",
    source="Nagarajan and Kolter 2019",
    axis="distance from initialisation",
    low=0.0,
    needs_classes=False,
)


def measure(network: TrainedNetwork) -> float:
    if network.initial is None:
        raise Absent("the initial weights are not known")
    return distance_from_initialisation(network.weights, network.initial)


def distance_from_initialisation(weights: Sequence[Tensor], initial: Sequence[Tensor]) -> float:
    """Frobenius norm of all changes together (Nagarajan and Kolter 2019)."""
    squares = (
        float((w.detach().double() - w0.detach().double()).square().sum())
        for w, w0 in zip(weights, initial, strict=True)
    )
    return math.sqrt(sum(squares))
