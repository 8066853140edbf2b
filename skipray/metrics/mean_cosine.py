"""How alike the representations of two samples are: 1 where all are one direction."""

from skipray.metrics import REPRESENTATIONS, Absent, Headline, LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="mean_cosine",
    definition="mean cosine of the angle between two different samples, over all pairs that are not all zero",
    source="Schoenholz et al. 2017, the correlation c",
    axis="mean cosine",
    low=-1.0,
    high=1.0,
    better="lower",
    figure="rank-by-depth",
    reads="entries",
    tensors=REPRESENTATIONS,
    of_samples=True,
    headlines=(Headline(tensor="hidden", aggregates=("last", "median"), trends=("last",)),),
)


def measure(entries: Entries) -> float:
    square, samples = entries.unit_sum
    if samples < 2:
        raise Absent("fewer than two samples that are not all zero")
    # The squared length of the sum of n unit vectors is n plus the cosines of all n (n - 1) ordered pairs.
    return (square - samples) / (samples * (samples - 1))
