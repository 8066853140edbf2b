"""How long a launch still takes, from what its trials have taken so far."""

from collections.abc import Iterable, Mapping

import numpy as np

PRIOR_TRIALS = 2
"""Finished trials before a cost of each trial is told apart from its work: with fewer the rate alone is fitted."""


class TimeLeft:
    """Seconds that are left. Tell it what has begun and ended.

    A trial takes a fixed cost (building, probing, logging) and its estimated seconds times a rate, both fitted by least
    squares and neither below zero: the estimate alone is right for deep trials and far too small for shallow ones.
    So many trials run at once as finished ones have on average: workers that start, nodes that are away, and attempts
    that were lost cost the rest of the sweep what they have cost so far.
    """

    def __init__(self, estimates: Mapping[str, float]):
        """
        Args:
            estimates: trial_id -> estimated training seconds.
        """
        self._estimates = dict(estimates)
        self._began: dict[str, float] = {}
        self._took: list[tuple[float, float]] = []
        """(estimate, seconds) of each finished trial."""
        self._first: float | None = None
        """When the first one began."""

    def begun(self, trial_id: str, now: float) -> None:
        self._began[trial_id] = now
        self._first = now if self._first is None else self._first

    def ended(self, trial_id: str, now: float, *, finished: bool) -> None:
        began = self._began.pop(trial_id, None)
        if finished and began is not None and trial_id in self._estimates:
            self._took.append((self._estimates[trial_id], now - began))

    def seconds(self, left: Iterable[str], now: float) -> float | None:
        """What is left of these trials, running or waiting; None before one has finished."""
        if not self._took:
            return None
        fixed, rate = self._fitted()
        remaining = []
        for trial_id in left:
            whole = fixed + rate * self._estimates.get(trial_id, 0.0)
            since = now - self._began[trial_id] if trial_id in self._began else 0.0
            remaining.append(max(whole - since, 0.0))
        # Never shorter than the longest trial that is left, however many run at once.
        return max(sum(remaining) / self._at_once(now), max(remaining, default=0.0))

    def _at_once(self, now: float) -> float:
        """The trials that have run at once: the mean of those that have finished or still run."""
        assert self._first is not None
        worked = sum(seconds for _, seconds in self._took) + sum(now - began for began in self._began.values())
        return worked / (now - self._first) if worked > 0.0 else 1.0

    def _fitted(self) -> tuple[float, float]:
        """(seconds of each trial, seconds for each estimated second)."""
        estimates, seconds = np.array(self._took).T
        total = float(estimates.sum())
        if len(self._took) > PRIOR_TRIALS and float(np.ptp(estimates)) > 0.0:
            rate, fixed = np.polyfit(estimates, seconds, 1)
            if rate >= 0.0 and fixed >= 0.0:
                return float(fixed), float(rate)
        if total <= 0.0:
            return float(seconds.mean()), 0.0
        return 0.0, float(seconds.sum()) / total
