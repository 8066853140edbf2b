"""Effective rank of the energies: large directions count more."""

from skipray.metrics import LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra, entropy_rank

METRIC = LayerMetric(
    key="effective_rank_energy",
    definition="exp(−Σ p ln p), p = s² / Σ s²",
    source="Roy and Vetterli 2007, of squares",
    axis="effective rank of energies",
    low=1.0,
    better="higher",
    reads="spectrum",
)


def measure(spectra: Spectra) -> Array:
    return spectra.present(entropy_rank(spectra.energy))
