"""The search for depth limits on a cluster: trials are placed where they tell most, and no worker waits for another."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from skipray.scheduling.work.protocol import TrialResult
from skipray.search.frontier import Belief, Frontier, frontier_of
from skipray.spec import Group, SweepSpec, TrialSpec

MAX_CANDIDATES = 64
"""Depths that are weighed at a time, evenly in log depth: a step of 6 % over a range of 8 to 400."""


@dataclass
class _Search:
    """The state of one group."""

    low: float
    high: float
    trials: dict[int, list[TrialSpec]]
    """Depth -> its trials that were not begun, the next one first."""
    belief: Belief
    depths: list[int] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    failed: int = 0
    """Given up: they count as tried, and say nothing."""

    @property
    def tried(self) -> int:
        return len(self.depths) + len(self.pending) + self.failed

    def learn(self, depth: int, trained: bool) -> None:
        self.depths.append(depth)
        self.belief = self.belief.after(depth, trained)


class FrontierWork:
    """A Work (`skipray.scheduling.work.protocol`): the next trial is the one that is expected to tell most.

    The group whose interval is widest, in log depth, comes first, so that the groups end with intervals of one width.
    """

    def __init__(
        self,
        sweep: SweepSpec,
        outcomes: Mapping[str, str],
        *,
        seconds: Mapping[int, float] | None = None,
        budget_seconds: float | None = None,
        budget_trials: int | None = None,
    ):
        """
        Args:
            outcomes: trial_id -> outcome of the candidates that finished before.
            seconds: index of a cell -> estimated seconds of a trial, for the budget.
            budget_seconds: no trial is begun whose estimate would pass the sum.
            budget_trials: at most so many more.
        """
        assert sweep.adaptive is not None, "a FrontierWork needs an adaptive sweep"
        self._asked = sweep.adaptive
        self._seconds = {cell.model: s for i, s in (seconds or {}).items() for cell in [sweep.cells[i]]}
        self._seconds_left = math.inf if budget_seconds is None else budget_seconds
        self._trials_left = math.inf if budget_trials is None else budget_trials
        self._searches: dict[Group, _Search] = {}
        for trial in sweep.trials():
            search = self._searches.get(trial.cell.group)
            if search is None:
                belief = Belief.prior(self._asked.low, self._asked.high)
                search = self._searches[trial.cell.group] = _Search(math.inf, 0.0, {}, belief)
            depth = trial.model.depth
            search.low, search.high = min(search.low, depth), max(search.high, depth)
            if trial.trial_id in outcomes:
                search.learn(depth, outcomes[trial.trial_id] == "trained")
            else:
                search.trials.setdefault(depth, []).append(trial)

    @property
    def exhausted(self) -> bool:
        # A group that is satisfied may be so no more when what is running has ended.
        return all((self._is_satisfied(s) and not s.pending) or not self._may_begin(s) for s in self._searches.values())

    def next(self) -> TrialSpec | None:
        open_ones = [s for s in self._searches.values() if self._may_begin(s) and not self._is_satisfied(s)]
        if not open_ones:
            return None
        # Among equals, such as at the start, the one with the fewest trials.
        search = max(open_ones, key=lambda s: (round(self._log_width(s), 6), -s.tried))
        depth = search.belief.next_depth(self._candidates(search), search.pending)
        trial = search.trials[depth].pop(0)
        search.pending.append(depth)
        self._trials_left -= 1
        self._seconds_left -= self._seconds.get(trial.model, 0.0)
        return trial

    def tell(self, trial: TrialSpec, result: TrialResult) -> None:
        search = self._searches[trial.cell.group]
        search.pending.remove(trial.model.depth)
        if result.status == "finished" and result.outcome is not None:
            search.learn(trial.model.depth, result.outcome == "trained")
        else:
            search.failed += 1

    def remaining(self) -> int | None:
        return 0 if self.exhausted else None

    def frontiers(self) -> dict[Group, Frontier]:
        """Where each group stands."""
        return {group: self._frontier(s) for group, s in self._searches.items()}

    def _frontier(self, search: _Search) -> Frontier:
        return frontier_of(search.belief, self._asked.width, search.depths, (search.low, search.high))

    def _is_satisfied(self, search: _Search) -> bool:
        return self._frontier(search).verdict != "open"

    def _may_begin(self, search: _Search) -> bool:
        return search.tried < self._asked.max_trials and self._trials_left > 0 and bool(self._candidates(search))

    def _candidates(self, search: _Search) -> list[int]:
        depths = [
            d
            for d, trials in search.trials.items()
            if trials and self._seconds.get(trials[0].model, 0.0) <= self._seconds_left
        ]
        return thinned(sorted(depths))

    def _log_width(self, search: _Search) -> float:
        _, low, high = search.belief.interval()
        return math.log(high / low)


def thinned(depths: Sequence[int]) -> list[int]:
    """At most MAX_CANDIDATES of rising depths, evenly in log depth, both ends among them."""
    if len(depths) <= MAX_CANDIDATES:
        return list(depths)
    logs = np.log(np.asarray(depths, dtype=float))
    wanted = np.linspace(logs[0], logs[-1], MAX_CANDIDATES)
    nearest = np.unique(np.abs(logs[:, None] - wanted).argmin(axis=0))
    return [depths[i] for i in nearest]
