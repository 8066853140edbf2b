"""How sure a network is of its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="confidence",
    definition="mean over the samples of the largest probability of a class",
    source="Guo et al. 2017",
    axis="mean confidence",
    low=0.0,
    high=1.0,
    trends=("",),
)


def measure(network: TrainedNetwork) -> float:
    return float(network.scores.double().softmax(1).max(1).values.mean())
