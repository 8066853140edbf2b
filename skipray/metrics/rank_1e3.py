"""How many directions are within a factor of a thousand of the largest."""

from skipray.metrics import LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra

METRIC = LayerMetric(
    key="rank_1e3",
    definition="how many singular values lie above s₁ / 1000",
    source="ours",
    axis="singular values above s₁ / 1000",
    low=0.0,
    better="higher",
    reads="spectrum",
    values_needed=0,
)


def measure(spectra: Spectra) -> Array:
    return (spectra.share > 1e-3).sum(1).astype(float)
