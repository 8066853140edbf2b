"""alpha-ReQ: how fast the variances of a representation's directions fall; near 1 is said to generalise best."""

import numpy as np

from skipray.metrics import Headline, LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra

FIRST, LAST = 11, 50
"""Directions that the line is fitted to, counted from 1; the source leaves out the first ten."""
FEWEST = 10
METRIC = LayerMetric(
    key="alpha_req",
    definition="slope of ln variance over ln rank of the principal directions 11 to 50, weighted by 1 / rank",
    source="Agrawal et al. 2022; Stringer et al. 2019",
    axis="eigenspectrum decay",
    asked="full",
    reads="spectrum",
    tensors=("hidden",),
    unfoldings=("matrix", "samples"),
    centrings=(True,),
    values_needed=FIRST + FEWEST - 1,
    absent=f"fewer than {FIRST + FEWEST - 1} singular values above the precision floor",
    headlines=(Headline(tensor="hidden", centred=True, aggregates=("last", "median"), trends=("last",)),),
)


def measure(spectra: Spectra) -> Array:
    rows = [s[above] for s, above in zip(spectra.values, spectra.above, strict=True)]
    return np.array([_slope(s) if len(s) >= FIRST + FEWEST - 1 else np.nan for s in rows])


def _slope(s: Array) -> float:
    rank = np.arange(FIRST, min(LAST, len(s)) + 1)
    x, y, weight = -np.log(rank), 2 * np.log(s[rank - 1]), 1 / rank
    x_mean, y_mean = np.average(x, weights=weight), np.average(y, weights=weight)
    return float(np.sum(weight * (x - x_mean) * (y - y_mean)) / np.sum(weight * (x - x_mean) ** 2))
