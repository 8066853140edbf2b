"""The smallest singular value that counts."""

import numpy as np
from numpy.typing import NDArray

from skipray.metrics import LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra

METRIC = LayerMetric(
    key="log10_sigma_min",
    definition="log₁₀ s_k, k the structural rank; at the precision floor or below it a bound",
    source="Rudelson and Vershynin 2009, of Gaussian matrices",
    axis="log₁₀ of the smallest singular value",
    reads="spectrum",
)


def measure(spectra: Spectra) -> tuple[Array, NDArray[np.int_]]:
    return (
        spectra.present(np.log10(spectra.smallest) + np.log10(spectra.safe_top)),
        np.where(spectra.hidden & ~spectra.empty, -1, 0),
    )
