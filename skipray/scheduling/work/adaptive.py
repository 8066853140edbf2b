"""The search for depth limits on a cluster: trials are placed where they tell most, and no worker waits for another."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from skipray.analysis.trained import judged
from skipray.records import CHANCE_LOSS, CHANCE_SCORE
from skipray.scheduling.work.protocol import TrialResult
from skipray.search.frontier import Belief, Frontier, find_frontier
from skipray.spec import Adaptive, Group, SweepSpec, TrialSpec

SCORES = ("train.accuracy", "train.loss", CHANCE_SCORE, CHANCE_LOSS)
"""What `trained` is judged by."""

MAX_CANDIDATES = 64
"""Depths that are weighed at a time, evenly in log depth: a step of 6 % over a range of 8 to 400."""


@dataclass
class _Search:
    """The state of one group."""

    low: int
    high: int
    asked: Adaptive
    trials: dict[int, list[TrialSpec]] = field(default_factory=dict)
    """Depth -> its trials that were not begun."""
    finished: list[TrialSpec] = field(default_factory=list)
    trained: tuple[bool, ...] = ()
    """Of each finished trial, as all results so far have it."""
    pending: list[TrialSpec] = field(default_factory=list)
    failed: int = 0
    """Given up: they count as tried, and say nothing."""

    def __post_init__(self) -> None:
        self._judge()

    @property
    def tried(self) -> int:
        return len(self.finished) + len(self.pending) + self.failed

    def learn(self, trained: tuple[bool, ...]) -> None:
        """Take note of what the finished trials are; a better network elsewhere can make one of them fail."""
        if trained != self.trained:
            self.trained = trained
            self._judge()

    def _judge(self) -> None:
        depths = [t.model.depth for t in self.finished]
        self.belief = Belief.prior(self.asked.low, self.asked.high)
        for depth, one in zip(depths, self.trained, strict=True):
            self.belief = self.belief.after(depth, one)
        seeds = [t.seed for t in self.finished]
        self.frontier = find_frontier(self.asked.width, depths, self.trained, seeds, (self.low, self.high))

    def take(self, depth: int) -> TrialSpec:
        """The trial of a depth whose seed has been tried least: a limit is that of all seeds, not of the first."""
        used = Counter(t.seed for t in (*self.finished, *self.pending))
        trial = min(self.trials[depth], key=lambda t: used[t.seed])
        self.trials[depth].remove(trial)
        self.pending.append(trial)
        return trial


class FrontierWork:
    """A Work (`skipray.scheduling.work.protocol`): the next trial is the one that is expected to tell most.

    The group whose interval is widest, in log depth, comes first, so that the groups end with intervals of one width.
    Trained is what `skipray.analysis.trained` says of all results so far.
    """

    def __init__(
        self,
        sweep: SweepSpec,
        finished: Mapping[str, Mapping[str, Any]],
        *,
        seconds: Mapping[int, float] | None = None,
        budget_seconds: float | None = None,
        budget_trials: int | None = None,
    ):
        """
        Args:
            finished: trial_id -> `outcome` and the metrics of SCORES of the candidates that finished before.
            seconds: index of a cell -> estimated seconds of a trial, for the budget.
            budget_seconds: no trial is begun whose estimate would pass the sum.
            budget_trials: at most so many more.
        """
        assert sweep.adaptive is not None, "a FrontierWork needs an adaptive sweep"
        self._sweep, self._asked = sweep, sweep.adaptive
        self._seconds = {cell.model: s for i, s in (seconds or {}).items() for cell in [sweep.cells[i]]}
        self._seconds_left = math.inf if budget_seconds is None else budget_seconds
        self._trials_left = math.inf if budget_trials is None else budget_trials
        self._results: dict[str, Mapping[str, Any]] = dict(finished)
        reach: dict[Group, list[int]] = {}
        for cell in sweep.cells:
            reach.setdefault(cell.cell.group, []).append(cell.model.depth)
        self._searches = {g: _Search(min(depths), max(depths), self._asked) for g, depths in reach.items()}
        for trial in sweep.trials():
            search = self._searches[trial.cell.group]
            if trial.trial_id in finished:
                search.finished.append(trial)
            else:
                search.trials.setdefault(trial.model.depth, []).append(trial)
        self._learn()

    def _learn(self) -> None:
        """Judge all results anew."""
        trials = [t for s in self._searches.values() for t in s.finished]
        if not trials:
            return
        rows = [
            {"depth": t.model.depth, "seed": t.seed, **dict.fromkeys(SCORES, math.nan), **self._results[t.trial_id]}
            for t in trials
        ]
        found = judged(self._sweep, pd.DataFrame(rows), [t.cell.group for t in trials])
        trained = dict(zip((t.trial_id for t in trials), found["outcome"] == "trained", strict=True))
        for search in self._searches.values():
            search.learn(tuple(bool(trained[t.trial_id]) for t in search.finished))

    @property
    def exhausted(self) -> bool:
        # A group that is satisfied may be so no more when what is running has ended.
        return all((self._is_satisfied(s) and not s.pending) or not self._may_begin(s) for s in self._searches.values())

    def next(self) -> TrialSpec | None:
        open_ones = [s for s in self._searches.values() if self._may_begin(s) and not self._is_satisfied(s)]
        if not open_ones:
            return None
        # Among equals, such as at the start, the one with the fewest trials.
        search = max(open_ones, key=lambda s: (round(math.log(s.frontier.width), 6), -s.tried))
        trial = search.take(search.belief.next_depth(self._candidates(search), [t.model.depth for t in search.pending]))
        self._trials_left -= 1
        self._seconds_left -= self._seconds.get(trial.model, 0.0)
        return trial

    def tell(self, trial: TrialSpec, result: TrialResult) -> None:
        search = self._searches[trial.cell.group]
        search.pending.remove(trial)
        if result.status == "finished" and result.outcome is not None:
            self._results[trial.trial_id] = {"outcome": result.outcome, **result.scalars}
            search.finished.append(trial)
            self._learn()
        else:
            search.failed += 1

    def remaining(self) -> int | None:
        return 0 if self.exhausted else None

    def frontiers(self) -> dict[Group, Frontier]:
        """Where each group stands."""
        return {group: s.frontier for group, s in self._searches.items()}

    def _is_satisfied(self, search: _Search) -> bool:
        return search.frontier.verdict != "open"

    def _may_begin(self, search: _Search) -> bool:
        return search.tried < self._asked.max_trials and self._trials_left > 0 and bool(self._candidates(search))

    def _candidates(self, search: _Search) -> list[int]:
        depths = [
            d
            for d, trials in search.trials.items()
            if trials and self._seconds.get(trials[0].model, 0.0) <= self._seconds_left
        ]
        return thinned(sorted(depths))


def thinned(depths: Sequence[int]) -> list[int]:
    """At most MAX_CANDIDATES of rising depths, evenly in log depth, both ends among them."""
    if len(depths) <= MAX_CANDIDATES:
        return list(depths)
    logs = np.log(np.asarray(depths, dtype=float))
    wanted = np.linspace(logs[0], logs[-1], MAX_CANDIDATES)
    nearest = np.unique(np.abs(logs[:, None] - wanted).argmin(axis=0))
    return [depths[i] for i in nearest]
