"""Where to try next: a family's trainability limit, found with as few trials as its width asks for.

What a search reports, and when it ends, is the interval of `skipray.trends.trainability_limit` over the finished
trials: it holds where seeds differ as wholes, where training fades slowly with depth and where a shallow network fails
by chance. The belief below only chooses the next depth.

A seed trains at depth d with probability `1 / (1 + (d / limit)^slope)`: a logistic curve in log depth. The posterior
over (log limit, log slope) is kept on a grid, and the next depth is the one whose outcome is expected to tell most
about the limit (mutual information: Lindley 1956; Kontsevich & Tyler 1999 for psychometric thresholds).
Trials that are still running are averaged over their predicted outcomes, so that workers need not wait for each other.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from skipray.trends import trainability_limit

SLOPE_LOG_MEAN = np.log(8.0)
"""Prior of the slope: at 8 the chance of training falls from 90 % to 10 % over a factor of 1.7 in depth, about what
digits and Fashion-MNIST networks of skipray's own sweeps show."""
SLOPE_LOG_SD = 1.0
MARGIN = np.log(2.0)
"""The limit may lie outside the range that is tried, by up to a factor of 2 on either side."""
_LIMITS, _SLOPES = 300, 21
_MAX_PENDING = 6
"""Outcomes of at most so many running trials are enumerated (2^6); of more, only the latest."""


@dataclass(frozen=True)
class Belief:
    """The posterior of one family's limit after some trials. Immutable: `after` gives the next."""

    low: float
    high: float
    log_posterior: np.ndarray = field(repr=False)
    """Unnormalised log posterior, axes (limit, slope)."""

    @classmethod
    def prior(cls, low: float, high: float) -> "Belief":
        """Before any trial: log limit uniform over the range and a margin, log slope normal.

        Raises:
            ValueError: unless 0 < low < high.
        """
        if not 0 < low < high:
            raise ValueError(f"found the depth range {low} to {high}; allowed: 0 < low < high")
        log_slope = _log_slopes()
        prior = -0.5 * ((log_slope - SLOPE_LOG_MEAN) / SLOPE_LOG_SD) ** 2
        return cls(low, high, np.broadcast_to(prior, (_LIMITS, _SLOPES)).copy())

    @property
    def log_limits(self) -> np.ndarray:
        return _log_limits(self.low, self.high)

    def after(self, depth: float, trained: bool) -> "Belief":
        """The belief when a trial at this depth has trained, or not."""
        probability = _trains(self.low, self.high, (float(depth),))[0]
        likelihood = np.log(probability if trained else 1.0 - probability)
        return Belief(self.low, self.high, self.log_posterior + likelihood)

    def _weights(self) -> np.ndarray:
        weights = np.exp(self.log_posterior - self.log_posterior.max())
        return weights / weights.sum()

    def information(self, depths: Sequence[float], pending: Sequence[float] = ()) -> np.ndarray:
        """Expected gain about the limit, in nats, of one more trial at each depth.

        Args:
            depths: candidates.
            pending: depths of trials whose outcome is not known yet.
        """
        trains = _trains(self.low, self.high, tuple(float(d) for d in depths))
        waiting = [_trains(self.low, self.high, (float(d),))[0] for d in pending[-_MAX_PENDING:]]
        gain = np.zeros(len(depths))
        base = self._weights()
        for outcomes in itertools.product((True, False), repeat=len(waiting)):
            joint = base.copy()
            for outcome, probability in zip(outcomes, waiting, strict=True):
                joint *= probability if outcome else 1.0 - probability
            share = joint.sum()
            if share > 1e-12:
                gain += share * _mutual_information(joint / share, trains)
        return gain

    def next_depth(self, depths: Sequence[int], pending: Sequence[float] = ()) -> int:
        """The candidate that tells most; among equals the shallowest, which is the cheapest."""
        gain = self.information(depths, pending)
        return int(np.asarray(depths)[int(np.argmax(np.round(gain, 9)))])


def _log_limits(low: float, high: float) -> np.ndarray:
    return np.linspace(np.log(low) - MARGIN, np.log(high) + MARGIN, _LIMITS)


@lru_cache(maxsize=256)
def _trains(low: float, high: float, depths: tuple[float, ...]) -> np.ndarray:
    """Probability that a seed trains, axes (depth, limit, slope)."""
    slope = np.exp(_log_slopes())
    z = slope * (_log_limits(low, high)[:, None] - np.log(np.array(depths))[:, None, None])
    return np.clip(1.0 / (1.0 + np.exp(-z)), 1e-9, 1.0 - 1e-9)


def _log_slopes() -> np.ndarray:
    return np.linspace(SLOPE_LOG_MEAN - 2.5 * SLOPE_LOG_SD, SLOPE_LOG_MEAN + 2.5 * SLOPE_LOG_SD, _SLOPES)


def _mutual_information(weights: np.ndarray, trains: np.ndarray) -> np.ndarray:
    """Between the outcome at each depth and the limit, the slope summed out. Axes: weights (limit, slope), trains
    (depth, limit, slope); returns (depth,), nats."""
    limit = weights.sum(axis=1)
    trains_given_limit = np.einsum("ls,dls->dl", weights, trains) / np.where(limit > 0, limit, 1.0)
    overall = trains_given_limit @ limit
    return _entropy(overall) - _entropy(trains_given_limit) @ limit


def _entropy(probability: np.ndarray) -> np.ndarray:
    p = np.clip(probability, 1e-300, 1.0)
    q = np.clip(1.0 - probability, 1e-300, 1.0)
    return -(p * np.log(p) + q * np.log(q))


@dataclass(frozen=True)
class Frontier:
    """What some trials of one group say about its limit."""

    limit: float | None
    """None where it lies outside of the depths tried, or where training does not become rarer with depth."""
    low: float | None
    high: float | None
    """Ends of the 95 % interval; None where it is open."""
    trials: int
    verdict: Literal["found", "beyond", "below", "open"]
    """found: the interval is as narrow as was asked. beyond, below: it lies wholly outside the depths that the group
    can have in the range. open: more trials are needed."""

    @property
    def width(self) -> float:
        """How many times the interval's low end its high end is."""
        return self.high / self.low if self.low is not None and self.high is not None else math.inf


def find_frontier(
    width: float,
    depths: Sequence[float],
    trained: Sequence[bool],
    seeds: Sequence[int],
    reach: tuple[float, float],
) -> Frontier:
    """Judge the trials of one group.

    Args:
        width: the interval's ends may be this factor apart.
        depths, trained, seeds: of each trial, axes (trials,) each.
        reach: the shallowest and deepest depth that the group can have in the range.
    """
    if not len(depths):
        return Frontier(None, None, None, 0, "open")
    limit = trainability_limit(depths, trained, seed=seeds)
    shallowest, deepest = reach
    verdict: Literal["found", "beyond", "below", "open"] = "open"
    found = Frontier(limit.depth, limit.low, limit.high, len(depths), "found")
    if limit.censored == "above" and limit.low is not None and limit.low >= deepest:
        verdict = "beyond"
    elif limit.censored == "below" and limit.high is not None and limit.high <= shallowest:
        verdict = "below"
    elif limit.depth is not None and found.width <= width:
        verdict = "found"
    return replace(found, verdict=verdict)
