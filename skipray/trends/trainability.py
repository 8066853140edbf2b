"""The trainability limit: the depth at which half of the seeds train.

Logistic regression of `trained` on ln(depth) with a lapse rate (limit_surface.py). The estimate is the penalised one
(Firth 1993). The interval is the hull of two profiles: of the penalised likelihood (Heinze & Schemper 2002) and of the
plain one. Where every seed trains up to one depth and none from the next, which is the usual case, the penalty alone
would draw the limit into the middle of the gap, the more so the more seeds there are, although nothing was measured
there; the plain likelihood is flat over the gap, so that all of it is inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from skipray.curves import Array
from skipray.trends.design_effect import CHI_SQUARE_95, design_effect
from skipray.trends.given import seeds_of, whether
from skipray.trends.limit_surface import Profiles, profiles

ALL_OF = 6
"""Trials that must all have trained for a bound of 97.5 % on one side: 0.5^6 = 1.6 %."""


@dataclass(frozen=True)
class DepthCount:
    """What became of the trials at one depth."""

    depth: int
    trained: int
    trials: int
    """That finished."""
    missing: int = 0
    """Asked for, and not finished yet."""

    @property
    def majority(self) -> bool | None:
        """Whether more than half trained; None for exactly half."""
        return None if 2 * self.trained == self.trials else 2 * self.trained > self.trials


@dataclass(frozen=True)
class Limit:
    """Depth at which half of the seeds train, in weight layers, with its 95 % interval.

    No number lies outside the depths tried. What the counts say, `censored` and `monotone` never contradict.
    """

    depth: float | None
    """None where it lies outside of the depths tried, or where the data do not fall with depth."""
    low: float | None
    """None where there is no lower bound among the depths tried."""
    high: float | None
    """None where there is no upper bound among the depths tried."""
    censored: Literal["none", "below", "above"]
    """below: fewer than half train at the shallowest depth tried, and the limit lies before it. above: more than half
    train at the deepest, and the limit lies beyond."""
    monotone: bool = True
    """False where training does not become rarer with depth: then there is no limit to speak of."""
    counts: tuple[DepthCount, ...] = ()
    """What it rests on, by rising depth."""
    definition: str = ""
    """What `trained` means here, in words; empty where the caller decides."""
    tried: str = "tried"
    """What its depths are, in words: other depths may have been tried at which it cannot be told."""


def trainability_limit(depth: ArrayLike, trained: ArrayLike, *, seed: ArrayLike | None = None) -> Limit:
    """Where training breaks.

    Args:
        depth: (trials,) weight layers, positive.
        trained: (trials,) whether each trial trained, booleans or 0 and 1. A diverged trial did not.
        seed: (trials,) of each trial; where seeds differ as wholes, the interval is widened accordingly.

    Returns:
        All trained: censored `above`; `low` is the deepest depth at or beyond which at least ALL_OF trials were made,
        and None where there were fewer. None trained: `below`, likewise. No failure ever moves `low` deeper than that.

    Raises:
        ValueError: arrays of different lengths, no trials, depths that are not positive, anything but booleans or 0 and
            1 in `trained`, trials without a seed.
    """
    x = np.asarray(depth, dtype=float)
    y = whether("trained", trained)
    seeds = seeds_of(seed)
    if x.ndim != 1 or x.shape != y.shape or (seeds is not None and seeds.shape != x.shape):
        raise ValueError(f"found depth {x.shape} and trained {y.shape}; allowed: one-dimensional arrays of one length")
    if not len(x) or not np.all(np.isfinite(x)) or not np.all(x > 0):
        raise ValueError("found no trials or depths that are not positive; allowed: weight layers")
    depths, index = np.unique(x, return_inverse=True)
    wins, totals = np.bincount(index, y).astype(float), np.bincount(index).astype(float)
    counts = tuple(DepthCount(int(d), int(w), int(n)) for d, w, n in zip(depths, wins, totals, strict=True))
    surest_low, surest_high = _all_trained(depths, totals), _all_trained(-depths[::-1], totals[::-1])
    surest_high = None if surest_high is None else -surest_high
    if y.all():
        return Limit(None, surest_low, None, "above", counts=counts)
    if not y.any():
        return Limit(None, None, surest_high, "below", counts=counts)
    majorities = [c.majority for c in counts]
    if len(depths) == 1:
        half = majorities[0] is None
        return Limit(
            float(depths[0]) if half else None, None, None, "none" if half else "above" if majorities[0] else "below",
            counts=counts,
        )  # fmt: skip
    everywhere = set(majorities)
    if everywhere not in ({True}, {False}) and float((y - y.mean()) @ np.log(x)) >= 0:
        # The slope that a free regression would find has the sign of this sum.
        return Limit(None, None, None, "none", monotone=False, counts=counts)
    found = profiles(np.log(depths), wins, totals)
    low, high = _interval(found, np.log(x), y, seeds)
    low = None if low is None or low < depths[0] or surest_low is None else min(low, surest_low)
    high = None if high is None or high > depths[-1] or surest_high is None else max(high, surest_high)
    estimate = float(np.exp(found.log_estimate))
    if everywhere == {True} or (estimate > depths[-1] and majorities[-1]):
        return Limit(None, low, None, "above", counts=counts)
    if everywhere == {False} or (estimate < depths[0] and majorities[0] is False):
        return Limit(None, None, high, "below", counts=counts)
    return Limit(float(np.clip(estimate, depths[0], depths[-1])), low, high, "none", counts=counts)


def _all_trained(depths: Array, totals: Array) -> float | None:
    """The deepest depth at or beyond which ALL_OF trials were made."""
    enough = np.flatnonzero(np.cumsum(totals[::-1])[::-1] >= ALL_OF)
    return float(depths[enough[-1]]) if len(enough) else None


def _interval(found: Profiles, x: Array, y: np.ndarray, seeds: np.ndarray | None) -> tuple[float | None, float | None]:
    """Ends of the interval as depths; None where it is open."""
    p, slope = found.chance(x)
    p = np.clip(p, 1e-12, 1 - 1e-12)
    # The derivatives of the log-odds, so that the sandwich is that of a logistic regression.
    gain = slope / (p * (1 - p))
    slopes = np.stack([found.steepness * gain, (found.log_estimate - x) * gain])
    inside = np.flatnonzero(found.inside(CHI_SQUARE_95 * design_effect(slopes, p, y, seeds, 0)))
    # The grid points next to it, so that what lies between two of them is inside too.
    first, last = inside[0] - 1, inside[-1] + 1
    low = float(np.exp(found.log_limit[first])) if first >= 0 else None
    high = float(np.exp(found.log_limit[last])) if last < len(found.log_limit) else None
    return low, high
