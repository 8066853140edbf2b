"""How many directions lie above rounding."""

import numpy as np

from skipray.metrics import LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra

METRIC = LayerMetric(
    key="numerical_rank",
    definition="how many singular values lie above the precision floor, eps s₁",
    source="Golub and Van Loan, Matrix Computations, section 5.4",
    axis="numerical rank",
    low=0.0,
    better="higher",
    reads="spectrum",
    values_needed=0,
)


def measure(spectra: Spectra) -> Array:
    return np.where(spectra.top == 0, 0, spectra.above.sum(1)).astype(float)
