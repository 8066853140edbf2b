"""How close to singular a matrix is: the paper's measure (its equation 11)."""

import numpy as np
from numpy.typing import NDArray

from skipray.metrics import Headline, LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra

METRIC = LayerMetric(
    key="log10_condition",
    definition="log₁₀(s₁ / s_k), k the structural rank; at the precision floor or below it a bound, never infinite",
    source="Oyedotun, Al Ismaeil and Aouada 2023, equation 11",
    axis="log₁₀ κ",
    low=0.0,
    better="lower",
    figure="condition-by-depth",
    reads="spectrum",
    headlines=(
        Headline(tensor="hidden", aggregates=("last", "max", "median"), trends=("median", "last"), listed=("max",)),
        Headline(tensor="hidden", centred=True, aggregates=("last", "median")),
        Headline(tensor="weight", aggregates=("max", "median"), trends=("median",)),
    ),
)


def measure(spectra: Spectra) -> tuple[Array, NDArray[np.int_]]:
    return spectra.present(-np.log10(spectra.smallest)), np.where(spectra.hidden & ~spectra.empty, 1, 0)
