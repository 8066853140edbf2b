"""Neural collapse 1: how much a class's features vary, beside how far classes are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="nc1",
    definition="trace(Σ_W Σ_B⁺) / C of the features before the classifier, within and between classes",
    source="Papyan, Han and Donoho 2020",
    axis="NC1, variability within classes",
    low=0.0,
    better="lower",
    asked="full",
    version=2,
)


def measure(network: TrainedNetwork) -> float:
    import torch

    classes = network.classes
    within = classes.deviations.mT @ classes.deviations / len(classes.deviations)
    between = classes.centred_means.mT @ classes.centred_means / len(classes.means)
    return float((within @ torch.linalg.pinv(between, hermitian=True)).trace() / len(classes.means))
