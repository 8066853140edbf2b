"""What a network loses with one block (claim C10): change of accuracy."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="deletion.accuracy_change",
    parts=("median",),
    definition="accuracy without one block less accuracy with it; median over the blocks",
    source="Veit, Wilber and Belongie 2016, section 4.1",
    axis="change of accuracy without a block",
    low=-1.0,
    high=1.0,
    better="higher",
    asked="full",
)


def measure(network: TrainedNetwork) -> dict[str, float]:
    return {"median": median(deletion.accuracy_change for deletion in network.deletions)}
