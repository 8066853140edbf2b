"""Neural collapse 4: how often the nearest class mean and the classifier disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="nc4",
    definition="share of the samples that the classifier does not give to the nearest class mean",
    source="Papyan, Han and Donoho 2020",
    axis="NC4, disagreement with the nearest class mean",
    low=0.0,
    high=1.0,
    better="lower",
    asked="full",
    version=2,
)


def measure(network: TrainedNetwork) -> float:
    import torch

    classes = network.classes
    scores = classes.features @ classes.weight.mT + classes.bias
    nearest = classes.present[torch.cdist(classes.features, classes.means).argmin(1)]
    return float((scores.argmax(1) != nearest).double().mean())
