"""How far the entries spread: what the paper's Figs. 5 to 10 show of two layers."""

from skipray.metrics import LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="range",
    definition="largest minus smallest entry",
    source="Oyedotun, Al Ismaeil and Aouada 2023, Figs. 5 to 10",
    axis="range",
    low=0.0,
    scale="log",
    reads="entries",
)


def measure(entries: Entries) -> float:
    return entries.high - entries.low
