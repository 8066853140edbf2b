"""What a network loses with several blocks, and with blocks in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="lesions",
    parts=("deleted", "reordered"),
    definition="change of accuracy with a random quarter of the blocks deleted, or shuffled among their places; mean "
    "over 10 draws",
    source="Veit, Wilber and Belongie 2016, sections 4.2 and 4.3, figure 5",
    axis="change of accuracy, a quarter of the blocks",
    low=-1.0,
    high=1.0,
    better="higher",
    asked="by name",
    trends=("deleted", "reordered"),
)


def measure(network: TrainedNetwork) -> dict[str, float]:
    from skipray.metrics.computing.lesions import lesion

    return {kind: lesion(network, kind) for kind in METRIC.parts}
