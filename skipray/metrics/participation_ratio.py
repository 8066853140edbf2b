"""Participation ratio: over how many directions the variance is spread."""

from skipray.metrics import LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra, positive

METRIC = LayerMetric(
    key="participation_ratio",
    definition="(Σ s²)² / Σ s⁴",
    source="Gao et al. 2017",
    axis="participation ratio",
    low=1.0,
    better="higher",
    reads="spectrum",
)


def measure(spectra: Spectra) -> Array:
    return spectra.present(spectra.energy_sum**2 / positive((spectra.energy**2).sum(1)))
