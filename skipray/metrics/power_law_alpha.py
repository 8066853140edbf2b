"""Power-law exponent of a weight's spectrum: heavy tails are said to come with what training has learned."""

import numpy as np

from skipray.metrics import Headline, LayerMetric
from skipray.metrics.computing.power_law import FEWEST, tail_exponent
from skipray.metrics.computing.spectra import Array, Spectra

METRIC = LayerMetric(
    key="power_law_alpha",
    definition="exponent of the tail of the squared singular values, from the start that fits best (weightwatcher's)",
    source="Martin and Mahoney 2021; Clauset, Shalizi and Newman 2009",
    axis="power-law exponent of the weights",
    low=1.0,
    asked="full",
    reads="spectrum",
    tensors=("weight",),
    unfoldings=("matrix", "out"),
    centrings=(False,),
    values_needed=FEWEST,
    absent=f"fewer than {FEWEST} singular values above the precision floor",
    headlines=(Headline(tensor="weight", aggregates=("median",), trends=("median",)),),
)


def measure(spectra: Spectra) -> Array:
    rows = [s[above] for s, above in zip(spectra.values, spectra.above, strict=True)]
    return np.array([tail_exponent(s**2) if len(s) >= FEWEST else np.nan for s in rows])
