"""The largest singular value."""

from skipray.metrics import LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra

METRIC = LayerMetric(
    key="spectral_norm",
    definition="s₁",
    source="the operator norm",
    axis="spectral norm",
    low=0.0,
    reads="spectrum",
    values_needed=0,
)


def measure(spectra: Spectra) -> Array:
    return spectra.top
