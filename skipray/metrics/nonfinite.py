"""What overflowed: the spectrum of such a tensor is absent, not zero."""

from skipray.metrics import LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="nonfinite",
    definition="how many entries are NaN or infinite",
    source="a count",
    axis="entries that are not finite",
    low=0.0,
    better="lower",
    reads="entries",
    finite_only=False,
)


def measure(entries: Entries) -> float:
    return float(entries.nonfinite)
