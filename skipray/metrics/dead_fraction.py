"""Dead units: they make a condition number infinite by themselves, and are counted apart."""

from skipray.metrics import REPRESENTATIONS, Headline, LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="dead_fraction",
    definition="share of the units (features, those of tokens too, or channels) that are 0 for every sample everywhere",
    source="Lu et al. 2020",
    version=2,
    axis="dead units, share",
    low=0.0,
    high=1.0,
    better="lower",
    reads="entries",
    tensors=REPRESENTATIONS,
    of_samples=True,
    headlines=(Headline(tensor="hidden", aggregates=("max", "median")),),
)


def measure(entries: Entries) -> float:
    return entries.dead_units / entries.units
