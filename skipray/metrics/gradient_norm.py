"""The size of a gradient or update; its first over its last layer shows whether gradients explode."""

from skipray.metrics import GRADIENTS, Headline, LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="gradient_norm",
    definition="Frobenius norm",
    source="Yang et al. 2019, of depth",
    axis="gradient norm",
    low=0.0,
    scale="log",
    reads="entries",
    tensors=GRADIENTS,
    headlines=(
        Headline(tensor="output_gradient", aggregates=("max", "median")),
        Headline(tensor="weight_gradient", aggregates=("last_block",), trends=("last_block",)),
    ),
)


def measure(entries: Entries) -> float:
    return entries.norm
