"""How well a falling curve with each limit explains which trials trained: the two profiles behind a limit's interval.

The chance of training at depth d is `(1 - lapse) / (1 + (d / limit)^steepness)`. A lapse is a failure that has nothing
to do with depth (Wichmann & Hill 2001): without it one failed shallow network bends the whole curve. Its prior is
Beta(1, 19), 5 % on average.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import expit

from skipray.curves import Array
from skipray.trends.logistic_grid import TINY, log_likelihood, midpoints, peak_height, steepnesses

LAPSES = np.array([0.0, 0.01, 0.03, 0.07, 0.13, 0.2, 0.3])
LAPSE_PRIOR = 18.0
"""Exponent of 1 - lapse in the prior."""
MIDPOINTS, STEEPNESSES = 601, 25
STEP = 1e7
"""A steepness that is a step between any two grid points."""


@dataclass(frozen=True)
class Profiles:
    """Best log-likelihoods at each limit, whatever the steepness and the lapse rate."""

    log_limit: Array
    """(limits,) rising, evenly spaced."""
    penalised: Array
    """(limits,) with half the log determinant of the information (Firth 1993): finite where the classes separate."""
    plain: Array
    """(limits,) without it, steps among the curves: flat over a gap in which nothing was measured."""
    steepness: float
    lapse: float
    """Of the best penalised curve."""

    @property
    def peak(self) -> int:
        return int(np.argmax(self.penalised))

    @property
    def log_estimate(self) -> float:
        return float(self.log_limit[self.peak])

    def inside(self, cut: float) -> np.ndarray:
        """(limits,) whether twice either log-likelihood has fallen by at most `cut`."""
        drop = np.minimum(self.penalised.max() - self.penalised, self.plain.max() - self.plain)
        return np.asarray(2 * drop <= cut)

    def chance(self, log_depth: Array) -> tuple[Array, Array]:
        """Of the best curve: the chance of training, and its derivative with respect to the linear predictor."""
        rising = expit(self.steepness * (self.log_estimate - log_depth))
        return (1 - self.lapse) * rising, (1 - self.lapse) * rising * (1 - rising)


def profiles(log_depth: Array, wins: Array, counts: Array) -> Profiles:
    """The profiles of a table of counts.

    Args:
        log_depth: (depths,) ascending, at least two.
        wins: (depths,) trials that trained.
        counts: (depths,) trials.
    """
    grid = _grid(tuple(log_depth.tolist()))
    penalty = _penalty(log_depth, counts, grid.middle, grid.steepness)
    penalised, plain, best = [], [], []
    trained = grid.trains @ wins
    for lapse, fails in zip(LAPSES, grid.fails, strict=True):
        likelihood = trained + fails @ (counts - wins) + (wins.sum() + LAPSE_PRIOR) * np.log1p(-lapse)
        smooth, step = likelihood[:, :-1], likelihood[:, -1]
        surface = smooth + penalty
        penalised.append(peak_height(surface))
        plain.append(np.maximum(peak_height(smooth), step))
        best.append(np.argmax(surface, axis=1))
    heights = np.stack(penalised)
    which, peak = np.unravel_index(int(np.argmax(heights)), heights.shape)
    steepness, lapse = float(grid.steepness[best[which][peak]]), float(LAPSES[which])
    return Profiles(grid.middle, heights.max(axis=0), np.max(plain, axis=0), steepness, lapse)


@dataclass(frozen=True)
class _Grid:
    middle: Array
    steepness: Array
    trains: Array
    """(midpoints, steepnesses + 1, depths) log chance of training where there are no lapses; the last is a step."""
    fails: Array
    """(lapses, midpoints, steepnesses + 1, depths) log chance of not training."""


@lru_cache(maxsize=2)
def _grid(log_depth: tuple[float, ...]) -> _Grid:
    """The groups of a sweep have the same depths: what follows from these alone is kept."""
    x = np.array(log_depth)
    middle, steepness = midpoints(x, MIDPOINTS), steepnesses(x, STEEPNESSES)
    eta = np.append(steepness, STEP)[None, :, None] * (middle[:, None, None] - x)
    log_q = -np.logaddexp(0.0, eta)
    q = np.exp(log_q)
    fails = [np.log(lapse + (1 - lapse) * q) if lapse else log_q for lapse in LAPSES]
    return _Grid(middle, steepness, log_q + eta, np.stack(fails))


def _penalty(log_depth: Array, counts: Array, middle: Array, steepness: Array) -> Array:
    """(midpoints, steepnesses) half the log determinant of the information about intercept and slope."""
    _, weight = log_likelihood(log_depth, counts, counts, middle, steepness)
    # |[[sum w, sum w x], [sum w x, sum w x^2]]| with x about its weighted mean, so that it stays positive.
    total = weight.sum(axis=-1)
    centre = (weight @ log_depth) / np.maximum(total, TINY)
    about = np.einsum("msd,msd->ms", weight, (log_depth - centre[..., None]) ** 2)
    return np.asarray(0.5 * (np.log(np.maximum(total, TINY)) + np.log(np.maximum(about, TINY))))
