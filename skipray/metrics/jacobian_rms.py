"""How much the network stretches a small change of its input on average."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="jacobian.rms",
    definition="root mean square of the singular values of d scores / d input, over all samples",
    source="Pennington, Schoenholz and Ganguli 2017",
    axis="root mean square of the Jacobian's singular values",
    low=0.0,
    scale="log",
    asked="jacobian",
    needs_classes=False,
)


def measure(network: TrainedNetwork) -> float:
    return float(np.sqrt(np.mean(network.jacobian**2)))
