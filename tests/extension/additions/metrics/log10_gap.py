"""Gap of the spectrum: how far the largest direction stands out."""

import numpy as np

from skipray.metrics import Headline, LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra

METRIC = LayerMetric(
    key="log10_gap",
    definition="log₁₀(s₁ / s₂)",
    source="Martin and Mahoney 2021",
    axis="log10 of s1 / s2",
    low=0.0,
    reads="spectrum",
    values_needed=2,
    absent="fewer than two values above the precision floor",
    headlines=(Headline(tensor="hidden", aggregates=("last", "median"), trends=("median",)),),
)


def measure(spectra: Spectra) -> Array:
    two = spectra.above[:, :2].all(1) & (spectra.values.shape[1] > 1)
    second = np.where(two, spectra.share[:, min(1, spectra.share.shape[1] - 1)], 1.0)
    return np.where(two, -np.log10(second), np.nan)
