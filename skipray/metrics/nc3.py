"""Neural collapse 3: how far the classifier is from the class means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import Absent, NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="nc3",
    definition="‖W / ‖W‖ − M / ‖M‖‖, W the classifier's weight, M the class means without their mean, Frobenius",
    source="Papyan, Han and Donoho 2020",
    axis="NC3, classifier and class means",
    low=0.0,
    high=2.0,
    better="lower",
    asked="full",
    version=2,
)


def measure(network: TrainedNetwork) -> float:
    classes = network.classes
    weight, means = classes.weight[classes.present], classes.centred_means
    if not float(weight.norm()) > 0 or not float(means.norm()) > 0:
        raise Absent("the classifier or the class means are zero")
    return float((weight / weight.norm() - means / means.norm()).norm())
