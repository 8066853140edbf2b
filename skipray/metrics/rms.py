"""The size of a tensor's entries."""

from skipray.metrics import LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="rms",
    definition="root mean square of the entries",
    source="Poole et al. 2016, the length q",
    axis="root mean square",
    low=0.0,
    scale="log",
    reads="entries",
)


def measure(entries: Entries) -> float:
    return entries.root_mean_square
