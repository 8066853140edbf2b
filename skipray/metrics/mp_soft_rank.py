"""How much of a weight is random: 1 for a random matrix, near 0 where a direction stands out."""

import numpy as np

from skipray.metrics import Headline, LayerMetric
from skipray.metrics.computing.marchenko_pastur import each_edge
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
    return np.array([np.nan if one is None else float((one[1] / one[0][0]) ** 2) for one in each_edge(spectra)])
