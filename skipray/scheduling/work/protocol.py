"""What is to be run, one trial at a time: the queue that the searcher serves.

A fixed sweep, a tuning study (ask and tell) and the search for a depth limit are all a `Work`: they hand out trials and
are told results. What happens in between (attempts, lost nodes, failures that are tried again) they never see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from skipray.records import Outcome
from skipray.spec import TrialSpec

FailureClass = Literal["out_of_memory", "lost", "error"]
"""lost: the process, its node or the way to it disappeared; nothing is known to be wrong with the trial."""
Status = Literal["finished", "failed", "lost", "interrupted"]


@dataclass(frozen=True)
class TrialResult:
    """How an attempt ended: the handful of scalars that go through Ray. All else went to the tracking store."""

    trial_id: str
    status: Status
    """A Work is told `finished` and `failed` only; the scheduling keeps the others to itself."""
    attempt: int = 1
    outcome: Outcome | None = None
    """Of a finished trial."""
    failure_class: FailureClass | None = None
    """Of one that is not finished."""
    message: str = ""
    """The cause in one line; of a finished trial, what its user should know of it."""
    traceback: str = ""
    """The original one, from the worker."""
    train_seconds: float = 0.0
    probe_seconds: float = 0.0
    validation_accuracy: float | None = None
    """At the last epoch; None where the trial diverged."""
    scalars: Mapping[str, float] = field(default_factory=dict)
    """A few more, under their MLflow keys: train and validation loss and accuracy at the last epoch."""


class Work(Protocol):
    """A queue of trials that may depend on the results of earlier ones."""

    @property
    def exhausted(self) -> bool:
        """No trial will come any more, whatever is still told."""

    def next(self) -> TrialSpec | None:
        """The trial to start now; None when there is none at the moment (a result is waited for, or all is out)."""

    def tell(self, trial: TrialSpec, result: TrialResult) -> None:
        """A trial has finished, or has failed for good. Called once for each that was handed out."""

    def remaining(self) -> int | None:
        """How many more `next` will hand out; None where that depends on results."""


class FixedWork:
    """The missing trials of a sweep, the longest first, so that deep trials do not form a tail.

    Longest processing time first ends within 4/3 - 1/(3 m) of the optimum on m equal machines (Graham 1969), and far
    closer where there are many trials per machine. The costs are estimates from FLOPs; each family's are rescaled by
    what its finished trials took, because families differ more from an estimate than the depths of one do.
    """

    def __init__(self, trials: Sequence[TrialSpec], costs: Sequence[float]):
        """
        Args:
            trials: to be run.
            costs: estimated seconds of each, in the same order; finite.
        """
        if len(trials) != len(costs):
            raise ValueError(f"found {len(trials)} trials and {len(costs)} costs; allowed: one cost per trial")
        self._cost = {trial.trial_id: cost for trial, cost in zip(trials, costs, strict=True)}
        self._queues: dict[str, list[TrialSpec]] = {}
        # Sorted stably, so that equal costs keep the given order, and reversed, so that `pop` is the next.
        for trial in sorted(trials, key=lambda t: -self._cost[t.trial_id]):
            self._queues.setdefault(trial.model.architecture, []).append(trial)
        for queue in self._queues.values():
            queue.reverse()
        self._estimated = dict.fromkeys(self._queues, 0.0)
        self._measured = dict.fromkeys(self._queues, 0.0)
        self._left = len(trials)

    @property
    def exhausted(self) -> bool:
        return self._left == 0

    def next(self) -> TrialSpec | None:
        waiting = [family for family, queue in self._queues.items() if queue]
        if not waiting:
            return None
        family = max(waiting, key=lambda f: self._cost[self._queues[f][-1].trial_id] * self._ratio(f))
        self._left -= 1
        return self._queues[family].pop()

    def tell(self, trial: TrialSpec, result: TrialResult) -> None:
        if result.status == "finished" and result.train_seconds > 0:
            family = trial.model.architecture
            self._estimated[family] += self._cost.get(trial.trial_id, 0.0)
            self._measured[family] += result.train_seconds

    def remaining(self) -> int:
        return self._left

    def _ratio(self, family: str) -> float:
        """Measured over estimated seconds of a family; of all families before its first trial has finished."""
        if self._estimated[family] > 0:
            return self._measured[family] / self._estimated[family]
        estimated = sum(self._estimated.values())
        return sum(self._measured.values()) / estimated if estimated > 0 else 1.0
