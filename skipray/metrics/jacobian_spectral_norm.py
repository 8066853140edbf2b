"""How much the network stretches a small change of its input at most."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="jacobian.spectral_norm",
    parts=("median",),
    definition="largest singular value of d scores / d input; median over the samples",
    source="Pennington, Schoenholz and Ganguli 2017",
    axis="spectral norm of the Jacobian",
    low=0.0,
    scale="log",
    asked="jacobian",
    needs_classes=False,
)


def measure(network: TrainedNetwork) -> dict[str, float]:
    return {"median": float(median(network.jacobian[:, 0]))}
