"""How many doublings of depth further one family trains than another.

Penalised logistic regression of `trained` on ln(depth) (Firth 1993), as in trainability.py, for both families at once:
one steepness, a limit of its own for each cell, and one factor between the two families' limits. The interval is that
of the profile of the penalised likelihood (Heinze & Schemper 2002), which holds where the second family never fails.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.special import expit, ndtr

from skipray.curves import Array
from skipray.trends.design_effect import CHI_SQUARE_95, design_effect
from skipray.trends.logistic_grid import TINY, log_likelihood, midpoints, peak_height, steepnesses

MIDPOINTS, STEEPNESSES = 161, 24
FURTHEST = 256.0
"""The largest ratio of two limits that is looked for."""
NEAR = 12.0
"""Steepnesses that are best where twice the log-likelihood has fallen by less are tried more finely."""
OUTSIDE = -1e6
"""Log-likelihood of limits that are not looked for."""


@dataclass(frozen=True)
class Shift:
    """log2 of the second family's trainability limit over the first's, with its 95 % interval."""

    doublings: float
    """Within the depths tried: a limit beyond the deepest counts as the deepest, and so this as a lower bound."""
    low: float
    high: float
    """Infinite where the data set no bound."""
    p: float
    """One-sided: the chance of so clear a lead of the second family were there none."""


def trainability_shift(
    depth: ArrayLike,
    trained: ArrayLike,
    second: ArrayLike,
    *,
    cell: ArrayLike | None = None,
    group: ArrayLike | None = None,
) -> Shift:
    """How much further the second family trains.

    Args:
        depth: (trials,) weight layers, positive; at least two depths.
        trained: (trials,) whether each trial trained.
        second: (trials,) whether it is of the second family.
        cell: (trials,) combination of other factors; each has a limit of its own, the factor between families is one.
        group: (trials,) seed of each trial; where seeds differ as wholes, the interval is widened accordingly.

    Raises:
        ValueError: arrays of different lengths, fewer than two depths, depths that are not positive, or one family.
    """
    x = np.asarray(depth, dtype=float)
    y, twin = np.asarray(trained).astype(bool), np.asarray(second).astype(bool)
    cells = np.zeros(x.shape) if cell is None else np.asarray(cell)
    seeds = None if group is None else np.asarray(group)
    shapes = {x.shape, y.shape, twin.shape, cells.shape} | (set() if seeds is None else {seeds.shape})
    if x.ndim != 1 or len(shapes) > 1:
        raise ValueError(f"found arrays of shapes {sorted(shapes)}; allowed: one-dimensional arrays of one length")
    if not np.all(np.isfinite(x)) or not np.all(x > 0) or len(np.unique(x)) < 2 or len(np.unique(twin)) < 2:
        raise ValueError("found one depth, one family or depths that are not positive; allowed: weight layers of two")
    log_depth, index = np.log(x), np.unique(cells, return_inverse=True)[1]
    depths = np.unique(log_depth)
    steepness = steepnesses(depths, STEEPNESSES)
    coarse = _Surface(log_depth, y, twin, index, steepness).height
    near = np.argmax(coarse, axis=1)[2 * (coarse.max() - coarse.max(axis=1)) < NEAR]
    ends = steepness[max(near.min() - 1, 0)], steepness[min(near.max() + 1, STEEPNESSES - 1)]
    surface = _Surface(log_depth, y, twin, index, np.geomspace(*ends, STEEPNESSES))
    profile = peak_height(surface.height)
    best = int(np.argmax(profile))
    top = max(best - 1, 0), best, min(best + 1, len(profile) - 1)
    log_shift = float(surface.shift[best]) + _parabola(*profile[list(top)]) * surface.step
    steep = int(np.argmax(surface.height[best]))
    slope = float(surface.steepness[steep])
    limit = surface.midpoint[surface.best[:, best, steep]]
    away = limit[index] + log_shift * twin - log_depth
    slopes = np.vstack([*(slope * (index == c) for c in range(len(limit))), away, slope * twin])
    effect = design_effect(slopes, expit(slope * away), y, seeds, len(slopes) - 1)
    fall: Array = 2 * (profile.max() - profile) / effect
    low = _crossing(surface.shift, fall, best, -1)
    high = _crossing(surface.shift, fall, best, 1)
    if y[~twin].all() or not y[twin].any():
        low = -np.inf
    if y[twin].all() or not y[~twin].any():
        high = np.inf
    z = np.sign(log_shift) * np.sqrt(float(np.interp(0.0, surface.shift, fall)))
    seen = np.clip(limit + log_shift, depths[0], depths[-1]) - np.clip(limit, depths[0], depths[-1])
    doublings = np.array([float(seen.mean()), low, high]) / np.log(2)
    return Shift(
        doublings=float(np.clip(doublings[0], doublings[1], doublings[2])),
        low=float(doublings[1]),
        high=float(doublings[2]),
        p=float(ndtr(-z)),
    )


class _Surface:
    """The penalised log-likelihood over shifts and steepnesses, at the best limit of each cell."""

    def __init__(self, x: Array, y: np.ndarray, twin: np.ndarray, cell: np.ndarray, steepness: Array):
        self.steepness = steepness
        self.midpoint = midpoints(np.unique(x), MIDPOINTS)
        self.step = float(self.midpoint[1] - self.midpoint[0])
        self.most = int(np.log(FURTHEST) / self.step)
        self.shift = np.asarray(np.arange(-self.most, self.most + 1) * self.step, dtype=np.float64)
        """(shifts,) ln of the ratio of limits."""
        which = [[(cell == c) & (twin == t) for t in (False, True)] for c in range(int(cell.max()) + 1)]
        families = [(self._family(x[a], y[a]), self._family(x[b], y[b])) for a, b in which]
        nothing = np.zeros((3, len(self.shift), STEEPNESSES))
        spreads = [nothing] if len(families) == 1 else [self._best(a, b, nothing)[1] for a, b in families]
        total = np.sum(spreads, axis=0)
        found = [self._best(a, b, total - own) for (a, b), own in zip(families, spreads, strict=True)]
        self.best = np.stack([chosen for chosen, _, _ in found])
        """(cells, shifts, steepnesses) place of the first family's limit among the midpoints."""
        whole = np.sum([spread for _, spread, _ in found], axis=0)
        self.height = np.sum([height for _, _, height in found], axis=0) + 0.5 * _log_determinant(whole)
        """(shifts, steepnesses)."""

    def _family(self, x: Array, y: np.ndarray) -> Array:
        """(4, midpoints, steepnesses): log-likelihood, and the sums of the weights w, w x and w x^2."""
        depths, index = np.unique(x, return_inverse=True)
        wins, counts = np.bincount(index, y, len(depths)), np.bincount(index, minlength=len(depths))
        likelihood, weight = log_likelihood(depths, wins, counts, self.midpoint, self.steepness)
        return np.stack([likelihood, weight.sum(-1), weight @ depths, weight @ depths**2])

    def _best(self, first: Array, second: Array, rest: Array) -> tuple[np.ndarray, Array, Array]:
        """A cell's best limit for each shift and steepness, given the spread of the other cells.

        Returns:
            (shifts, steepnesses) its place among the midpoints; (3, shifts, steepnesses) the cell's spread there:
            weighted sums of squares of x, of the family, and of their product, about the cell's means; and its
            log-likelihood with half the log of its weight.
        """
        padded = np.pad(second, ((0, 0), (self.most, self.most), (0, 0)))
        padded[0, : self.most] = padded[0, -self.most :] = OUTSIDE
        moved = np.moveaxis(sliding_window_view(padded, MIDPOINTS, axis=1), -1, 2)  # (4, shifts, midpoints, ...)
        (l1, w1, x1, q1), (l2, w2, x2, q2) = first[:, None], moved
        weight = np.maximum(w1 + w2, TINY)
        height = l1 + l2 + 0.5 * np.log(weight)
        spread = np.stack([q1 + q2 - (x1 + x2) ** 2 / weight, w1 * w2 / weight, (w1 * x2 - w2 * x1) / weight])
        chosen = np.argmax(height + 0.5 * _log_determinant(spread + rest[:, :, None]), axis=1)
        at = chosen[:, None]
        return (
            chosen,
            np.take_along_axis(spread, at[None], axis=2)[:, :, 0],
            np.take_along_axis(height, at, axis=1)[:, 0],
        )


def _log_determinant(spread: Array) -> Array:
    return np.asarray(np.log(np.maximum(spread[0] * spread[1] - spread[2] ** 2, TINY)))


def _parabola(left: float, top: float, right: float) -> float:
    """Where the parabola through three neighbours is highest, in steps from the middle one."""
    bend = left - 2 * top + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _crossing(shift: Array, fall: Array, best: int, side: int) -> float:
    """Where the profile leaves the interval on one side of its peak; infinite where it never does."""
    places = np.arange(best, -1 if side < 0 else len(fall), side)
    beyond = np.flatnonzero(fall[places] > CHI_SQUARE_95)
    if not len(beyond):
        return side * np.inf
    outer, inner = places[beyond[0]], places[beyond[0]] - side
    part = (CHI_SQUARE_95 - fall[inner]) / (fall[outer] - fall[inner])
    return float(shift[inner] + part * (shift[outer] - shift[inner]))
