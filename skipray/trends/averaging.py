"""Limits of a mean over several curves by averaged tail areas (Turek & Fletcher 2012).

The limit is where the tails beyond it of all curves, each weighted, make up 2.5 %. Each curve's tail is a normal one
through its own limit. A curve that leaves a side open has half of its weight beyond any point there, so it opens the
average only if its weight is above 5 %. Axis letters: C curves, K quantities.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from skipray.curves import Array
from skipray.trends.studentised import COVERAGE

TAIL = (1 - COVERAGE) / 2


def averaged_limits(share: Array, mean: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """(K,) lower and upper: share (C,) sums to 1; mean, low and high are (C, K)."""
    return -_upper(share, -mean, -high, -low), _upper(share, mean, low, high)


def _upper(share: Array, mean: Array, low: Array, high: Array) -> Array:
    opened = np.isinf(high)
    quantile = float(ndtri(1 - TAIL))
    above = np.maximum(np.where(opened, 1.0, high - mean) / quantile, 1e-300)
    below = np.maximum(np.where(np.isinf(low), 1.0, mean - low) / quantile, 1e-300)

    def beyond(at: Array) -> Array:
        with np.errstate(over="ignore"):
            tail = ndtr((mean - at) / np.where(at >= mean, above, below))
        tail = np.where(np.isinf(low) & (at < mean), 0.5, tail)
        return share @ np.where(opened & (at >= mean), 0.5, tail)

    open_share = share @ opened
    # Between the lowest mean, which has half of the tails or more above, and a point with too little.
    inside = mean.min(axis=0)
    reach = np.where(opened, -np.inf, high - inside).max(axis=0)
    reach = np.maximum(np.where(np.isfinite(reach), reach, 0.0), mean.max(axis=0) - inside)
    outside = inside + reach
    for _ in range(60):
        short = (beyond(outside) > TAIL) & (0.5 * open_share < TAIL)
        if not short.any():
            break
        reach = np.where(short, 2 * reach, reach)
        outside = inside + reach
    for _ in range(60):
        middle = (inside + outside) / 2
        much = beyond(middle) > TAIL
        inside, outside = np.where(much, middle, inside), np.where(much, outside, middle)
    return np.where(0.5 * open_share >= TAIL, np.inf, outside)
