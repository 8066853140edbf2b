"""How sharply the loss curves in its sharpest direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="hessian.top_eigenvalue",
    definition="largest eigenvalue of the mean loss's Hessian, by Lanczos",
    source="Ghorbani, Krishnan and Xiao 2019",
    axis="largest Hessian eigenvalue",
    better="lower",
    asked="hessian",
)


def measure(network: TrainedNetwork) -> float:
    return network.curvature.top_eigenvalue
