"""How much of a weight is random: 1 for a random matrix, near 0 where a direction stands out."""

import numpy as np

from skipray.metrics import Headline, LayerMetric
from skipray.metrics.computing.marchenko_pastur import edge_and_outliers
from skipray.metrics.computing.spectra import Array, Spectra

METRIC = LayerMetric(
    key="mp_soft_rank",
    definition="squared ratio of the Marchenko-Pastur edge of the bulk to the largest singular value",
    source="Martin and Mahoney 2021, section 3; Marchenko and Pastur 1967",
    axis="Marchenko-Pastur soft rank",
    low=0.0,
    asked="full",
    reads="spectrum",
    tensors=("weight",),
    unfoldings=("matrix", "out"),
    centrings=(False,),
    headlines=(Headline(tensor="weight", aggregates=("median",), trends=("median",)),),
)


def measure(spectra: Spectra) -> Array:
    return np.array(
        [
            np.nan if empty else _of(s[:length], rows, columns)
            for s, length, empty, (rows, columns) in zip(
                spectra.values, spectra.lengths, spectra.empty, spectra.sides, strict=True
            )
        ]
    )


def _of(s: Array, rows: int, columns: int) -> float:
    edge, _ = edge_and_outliers(s, rows, columns)
    return float((edge / s[0]) ** 2)
