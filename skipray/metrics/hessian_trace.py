"""How much the loss curves in all directions together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="hessian.trace",
    parts=("", "standard_error"),
    definition="trace of the mean loss's Hessian, by 100 sign vectors, and its standard error over them",
    source="Hutchinson 1990",
    axis="Hessian trace",
    better="lower",
    asked="hessian",
)


def measure(network: TrainedNetwork) -> dict[str, float]:
    return {"": network.curvature.trace, "standard_error": network.curvature.trace_error}
