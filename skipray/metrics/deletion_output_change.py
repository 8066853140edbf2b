"""What a network loses with one block (claim C10): change of the output."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="deletion.output_change",
    parts=("median",),
    definition="relative change of the scores (Frobenius norm) when one block is deleted; median over the blocks",
    source="Veit, Wilber and Belongie 2016, section 4.1",
    axis="change of the output without a block",
    low=0.0,
    better="lower",
    asked="full",
)


def measure(network: TrainedNetwork) -> dict[str, float]:
    return {"median": median(deletion.output_change for deletion in network.deletions)}
