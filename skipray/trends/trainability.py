"""The trainability limit: the depth at which half of the seeds train.

Penalised logistic regression of `trained` on ln(depth) (Firth 1993: Jeffreys' prior, finite where the classes
separate, which is the usual case: every seed trains up to one depth and none from the next), with the interval from
the profile of the penalised likelihood (Heinze & Schemper 2002).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from skipray.curves import Array
from skipray.trends.design_effect import CHI_SQUARE_95, design_effect
from skipray.trends.logistic_grid import TINY, log_likelihood, midpoints, peak_height, steepnesses


@dataclass(frozen=True)
class Limit:
    """Depth at which half of the seeds train, in weight layers, with its 95 % interval."""

    depth: float | None
    """None where it lies outside of the depths tried."""
    low: float | None
    """None where there is no lower bound."""
    high: float | None
    """None where there is no upper bound."""
    censored: Literal["none", "below", "above"]
    """below: less than half train at the shallowest depth tried. above: more than half train at the deepest."""


def trainability_limit(depth: ArrayLike, trained: ArrayLike, *, group: ArrayLike | None = None) -> Limit:
    """Where training breaks.

    Args:
        depth: (trials,) weight layers, positive.
        trained: (trials,) whether each trial trained. A diverged trial did not.
        group: (trials,) seed of each trial; where seeds differ as wholes, the interval is widened accordingly.

    Returns:
        All trained: censored `above`, with the deepest depth tried as `low` ("beyond the deepest tried"; with n seeds
        the chance of this below the limit is at most 2**-n at that depth). None trained: `below`, with the shallowest
        as `high`.

    Raises:
        ValueError: arrays of different lengths, no trials, depths that are not positive.
    """
    x = np.asarray(depth, dtype=float)
    y = np.asarray(trained).astype(bool)
    seeds = None if group is None else np.asarray(group)
    if x.ndim != 1 or x.shape != y.shape or (seeds is not None and seeds.shape != x.shape):
        raise ValueError(f"found depth {x.shape} and trained {y.shape}; allowed: one-dimensional arrays of one length")
    if not len(x) or not np.all(np.isfinite(x)) or not np.all(x > 0):
        raise ValueError("found no trials or depths that are not positive; allowed: weight layers")
    if y.all():
        return Limit(None, float(x.max()), None, "above")
    if not y.any():
        return Limit(None, None, float(x.min()), "below")
    depths, index = np.unique(x, return_inverse=True)
    if len(depths) == 1:
        return Limit(None, None, None, "above" if y.mean() > 0.5 else "below")
    log_depth = np.log(depths)
    middle, steepness = midpoints(log_depth, 801), steepnesses(log_depth, 32)
    wins, counts = np.bincount(index, y).astype(float), np.bincount(index).astype(float)
    surface = _penalised(log_depth, wins, counts, middle, steepness)
    profile = peak_height(surface)
    peak = int(np.argmax(profile))
    estimate = middle[peak]
    best_steepness = float(steepness[np.argmax(surface[peak])])
    away = float(estimate) - log_depth[index]
    p = 1 / (1 + np.exp(-best_steepness * away))
    slopes = np.stack([np.full(len(y), best_steepness), away])
    cut = CHI_SQUARE_95 * design_effect(slopes, p, y, seeds, 0)
    outside = 2 * (profile[peak] - profile) > cut
    low, high = _crossing(middle, outside, peak, -1), _crossing(middle, outside, peak, 1)
    if estimate > log_depth[-1]:
        return Limit(None, low, None, "above")
    if estimate < log_depth[0]:
        return Limit(None, None, high, "below")
    return Limit(float(np.exp(estimate)), low, high, "none")


def _penalised(log_depth: Array, wins: Array, counts: Array, middle: Array, steepness: Array) -> Array:
    """(midpoints, steepnesses) log-likelihood plus half the log determinant of the information (Firth 1993)."""
    likelihood, weight = log_likelihood(log_depth, wins, counts, middle, steepness)
    # |[[sum w, sum w x], [sum w x, sum w x^2]]| with x about its weighted mean, so that it stays positive.
    total = weight.sum(axis=-1)
    centre = (weight @ log_depth) / np.maximum(total, TINY)
    about = np.einsum("msd,msd->ms", weight, (log_depth - centre[..., None]) ** 2)
    return likelihood + 0.5 * (np.log(np.maximum(total, TINY)) + np.log(np.maximum(about, TINY)))


def _crossing(middle: Array, outside: np.ndarray, peak: int, side: int) -> float | None:
    """The depth at which the profile leaves the interval on one side of the peak; None where it never does."""
    beyond = np.flatnonzero(outside[peak::side])
    return float(np.exp(middle[peak + side * beyond[0]])) if len(beyond) else None
