"""How many doublings of depth further one family trains than another.

Penalised logistic regression of `trained` on ln(depth) (Firth 1993), as in trainability.py, for both families at once:
one steepness, a limit of its own for each cell, and one factor between the two families' limits. The interval is that
of the profile of the penalised likelihood (Heinze & Schemper 2002), which holds where the second family never fails.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.special import expit

from skipray.curves import Array
from skipray.trends.design_effect import cut, seed_effect
from skipray.trends.given import seeds_of, whether
from skipray.trends.logistic_grid import TINY, log_likelihood, midpoints, peak_height, steepnesses

MIDPOINTS, STEEPNESSES = 161, 24
FURTHEST = 256.0
"""The largest ratio of two limits that is looked for."""
NEAR = 12.0
"""Steepnesses that are best where twice the log-likelihood has fallen by less are tried more finely."""
LEAST_P = 1e-12
"""No smaller p is told."""
BLOCK = 2
"""Shifts at a time: their arrays stay in the processor's cache."""
OUTSIDE = -1e6
"""Log-likelihood of limits that are not looked for."""


@dataclass(frozen=True)
class Shift:
    """log2 of the second family's trainability limit over the first's, with the profile of its likelihood."""

    doublings: float
    """Within the depths that each family was tried at: a limit beyond its deepest counts as the deepest, and so this as
    a lower bound; the interval's nearer end where that lies outside of it."""
    at: Array = field(repr=False)
    """(shifts,) doublings, ascending."""
    fall: Array = field(repr=False)
    """(shifts,) fall of twice the penalised log-likelihood from its peak."""
    effect: float
    """How much larger the variance is because trials of one seed have something in common, at least 1."""
    freedom: int
    """Seeds - 1."""
    bounded: tuple[bool, bool]
    """Whether the data set a lower and an upper bound at all."""

    @property
    def low(self) -> float:
        """Of the 95 % interval; infinite where the data set no bound."""
        return self.bound(0.025, -1)

    @property
    def high(self) -> float:
        return self.bound(0.025, 1)

    @property
    def p(self) -> float:
        """One-sided: the chance of so clear a lead of the second family were there none."""
        return self.p_above(0.0)

    def bound(self, tail: float, side: Literal[-1, 1]) -> float:
        """The bound below (-1) or above (1) that the truth lies beyond with this probability."""
        found = self._crossing(tail, side)
        return min(found, self.doublings) if side < 0 else max(found, self.doublings)

    def _crossing(self, tail: float, side: Literal[-1, 1]) -> float:
        """Where the profile has fallen by as much as the tail allows."""
        if not self.bounded[side > 0]:
            return side * np.inf
        allowed = cut(tail, self.effect, self.freedom)
        best = int(np.argmin(self.fall))
        places = np.arange(best, -1 if side < 0 else len(self.fall), side)
        beyond = np.flatnonzero(self.fall[places] > allowed)
        if not len(beyond):
            return side * np.inf
        outer, inner = places[beyond[0]], places[beyond[0]] - side
        part = (allowed - self.fall[inner]) / (self.fall[outer] - self.fall[inner])
        return float(self.at[inner] + part * (self.at[outer] - self.at[inner]))

    def p_above(self, margin: float) -> float:
        """One-sided: the chance of so clear a lead beyond the margin were the truth at most the margin."""
        peak = float(self.at[int(np.argmin(self.fall))])
        fallen = float(np.interp(margin, self.at, self.fall))
        if fallen <= 0 or margin == peak:
            return 0.5
        side = margin > peak
        if not self.bounded[side] or cut(LEAST_P, self.effect, self.freedom) < fallen:
            tail = 0.5 if not self.bounded[side] else LEAST_P
        else:
            from scipy.optimize import brentq  # a sixth of a second, which a launch waits for too

            # The tail whose bound is the margin; on a log scale, as tails are.
            solved = brentq(
                lambda log_tail: cut(np.exp(log_tail), self.effect, self.freedom) - fallen,
                np.log(LEAST_P), np.log(0.5),
            )  # fmt: skip
            tail = float(np.exp(solved))
        return 1 - tail if side else tail


def trainability_shift(
    depth: ArrayLike,
    trained: ArrayLike,
    second: ArrayLike,
    *,
    cell: ArrayLike | None = None,
    seed: ArrayLike | None = None,
) -> Shift:
    """How much further the second family trains.

    Args:
        depth: (trials,) weight layers, positive; at least two depths.
        trained: (trials,) whether each trial trained, booleans or 0 and 1.
        second: (trials,) whether it is of the second family, likewise.
        cell: (trials,) combination of other factors; each has a limit of its own, the factor between families is one.
        seed: (trials,) of each trial; where seeds differ as wholes, the interval is widened accordingly.

    Raises:
        ValueError: arrays of different lengths, fewer than two depths, depths that are not positive, one family,
            anything but booleans or 0 and 1 in `trained` or `second`, trials without a seed.
    """
    x = np.asarray(depth, dtype=float)
    y, twin = whether("trained", trained), whether("second", second)
    cells = np.zeros(x.shape) if cell is None else np.asarray(cell)
    seeds = seeds_of(seed)
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
    tried = [[log_depth[(index == c) & (twin == t)] for c in range(len(limit))] for t in (False, True)]
    ends_of = [np.array([(x.min(), x.max()) if len(x) else depths[[0, -1]] for x in of]).T for of in tried]
    seen = np.clip(limit + log_shift, *ends_of[1]) - np.clip(limit, *ends_of[0])
    found = Shift(
        doublings=float(seen.mean() / np.log(2)),
        at=surface.shift / np.log(2),
        fall=2 * (profile.max() - profile),
        effect=seed_effect(slopes, expit(slope * away), y, seeds, len(slopes) - 1),
        freedom=1 if seeds is None else max(1, len(np.unique(seeds)) - 1),
        bounded=(not (y[~twin].all() or not y[twin].any()), not (y[twin].all() or not y[~twin].any())),
    )
    # Limits that both lie beyond the depths tried may differ all the same: by no less than the interval says.
    ends = found._crossing(0.025, -1), found._crossing(0.025, 1)
    return replace(found, doublings=float(np.clip(found.doublings, *ends)))


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
        parts = [slice(start, start + BLOCK) for start in range(0, len(self.shift), BLOCK)]
        chosen, spread, height = zip(*(_best_of_block(first, moved[:, p], rest[:, p]) for p in parts), strict=True)
        return np.concatenate(chosen), np.concatenate(spread, axis=1), np.concatenate(height)


def _best_of_block(first: Array, moved: Array, rest: Array) -> tuple[np.ndarray, Array, Array]:
    """`_Surface._best` of some shifts; moved (4, shifts, midpoints, steepnesses) is the second family."""
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
