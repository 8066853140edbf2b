"""How many directions of a weight stand out of a random matrix."""

import numpy as np

from skipray.metrics import Headline, LayerMetric
from skipray.metrics.computing.marchenko_pastur import each_edge
from skipray.metrics.computing.spectra import Array, Spectra

METRIC = LayerMetric(
    key="mp_outliers",
    definition="how many singular values lie beyond the Marchenko-Pastur edge of the bulk",
    source="Martin and Mahoney 2021, section 3; Marchenko and Pastur 1967",
    axis="singular values beyond Marchenko-Pastur",
    low=0.0,
    asked="full",
    reads="spectrum",
    tensors=("weight",),
    unfoldings=("matrix", "out"),
    centrings=(False,),
    headlines=(Headline(tensor="weight", aggregates=("median",), trends=("median",)),),
)


def measure(spectra: Spectra) -> Array:
    return np.array([np.nan if one is None else float(one[2]) for one in each_edge(spectra)])
