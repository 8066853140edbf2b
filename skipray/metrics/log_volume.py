"""The volume that a unit ball is mapped to, in the directions above rounding."""

import numpy as np

from skipray.metrics import LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra

METRIC = LayerMetric(
    key="log_volume",
    definition="Σ ln s over the values above the precision floor",
    source="the logarithm of the pseudo-determinant",
    axis="log volume",
    unit="nats",
    reads="spectrum",
)


def measure(spectra: Spectra) -> Array:
    logs = np.log(np.where(spectra.above, spectra.share, 1.0)).sum(1)
    return spectra.present(logs + spectra.above.sum(1) * np.log(spectra.safe_top))
