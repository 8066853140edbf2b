"""Stable rank: the energy in units of the largest direction's."""

from skipray.metrics import Headline, LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra

METRIC = LayerMetric(
    key="stable_rank",
    definition="Σ s² / s₁²",
    source="Rudelson and Vershynin 2007; of centred representations NESum, He and Ozay 2022",
    axis="stable rank",
    low=1.0,
    better="higher",
    figure="rank-by-depth",
    reads="spectrum",
    headlines=(Headline(tensor="hidden", aggregates=("last", "median"), trends=("median",)),),
)


def measure(spectra: Spectra) -> Array:
    return spectra.present(spectra.energy_sum)
