"""What a launch counts of its trials, and the seconds that it expects of them."""

from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from skipray.planning.budget import Budget
from skipray.planning.estimate import CPU, CUDA, estimate_seconds
from skipray.planning.plan import trial_sizes
from skipray.spec import SweepSpec, TrialSpec
from skipray.terminal.waiting import waiting_for

if TYPE_CHECKING:
    from skipray.scheduling.work.events import Event


def timed_seconds(
    sweep: SweepSpec, budget: Budget | None, data_root: str | None, say: Callable[[str], None]
) -> Callable[[TrialSpec], float] | None:
    """A trial's seconds from a few steps that are run now, where a budget of time asks for them."""
    from skipray.scheduling.ray.timing import time_sweep

    if budget is None or budget.seconds is None:
        return None
    say("timing a few steps for the budget")
    with waiting_for("the timed steps", say):
        return time_sweep(sweep, data_root)


class Tally:
    """What a launch counts of its trials."""

    def __init__(self, timed: Callable[[TrialSpec], float] | None):
        """
        Args:
            timed: a trial's estimated seconds, where they were timed for a budget.
        """
        self._timed = timed
        self.outcomes: Counter[str] = Counter()
        self.running: set[str] = set()
        """trial_ids whose results are their workers' to deliver."""
        self.finished: deque[str] = deque()
        """trial_ids, as their ends are heard of."""
        self.ended_well: set[str] = set()
        """The same, of the whole launch."""
        self.estimated = self.measured = 0.0
        """Seconds of training and probing of the trials that ended."""

    def on_event(self, event: "Event") -> None:
        (self.running.add if event.kind == "started" else self.running.discard)(event.trial.trial_id)
        if event.kind == "finished":
            self.finished.append(event.trial.trial_id)
            self.ended_well.add(event.trial.trial_id)
        if event.kind == "finished" and event.result is not None and event.result.outcome:
            self.outcomes[event.result.outcome] += 1
            if self._timed is not None and event.result.train_seconds > 0:
                self.estimated += self._timed(event.trial)
                self.measured += event.result.train_seconds + event.result.probe_seconds


class GuessedSeconds:
    """Seconds of a trial from its FLOPs and a stated speed."""

    def __init__(self, sweep: SweepSpec):
        self._speed = CUDA if sweep.resources.device == "cuda" else CPU

    def __call__(self, trial: TrialSpec) -> float:
        return estimate_seconds(trial, trial_sizes(trial), self._speed)
