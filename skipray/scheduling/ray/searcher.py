"""Tune's searcher over a Work: hands out trials, counts failures by class, suggests again.

Tune itself never repeats a trial (its own `max_failures` is 0, because it counts a lost node like an error) and keeps
no state worth restoring: the ledger is MLflow.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.search import Searcher

from skipray.scheduling.ray.attempt import TrialAttempt
from skipray.scheduling.ray.death_note import cause_in, note_path, read_note
from skipray.scheduling.work.events import Event
from skipray.scheduling.work.failures import Attempts, classify_death, memory_line
from skipray.scheduling.work.protocol import TrialResult, Work
from skipray.spec import TrialSpec

MakeAttempt = Callable[[TrialSpec, int, int], TrialAttempt]
"""(trial, attempt, factor of its resources) -> attempt."""


class WorkSearcher(Searcher):
    """Serves a Work to Tune."""

    def __init__(
        self,
        work: Work,
        make_attempt: MakeAttempt,
        *,
        max_failures: int,
        limit: Callable[[], int],
        stopping: Callable[[], bool],
        on_event: Callable[[Event], None],
        on_given_up: Callable[[TrialAttempt, TrialResult], None],
    ):
        """
        Args:
            limit: trials at once, asked before each suggestion (a cluster may grow).
            stopping: whether the launch is being stopped: then nothing more is started.
            on_given_up: records the failure of a trial whose worker died before it could do so.
        """
        super().__init__()
        self.work = work
        self.running: dict[str, TrialAttempt] = {}
        """Tune's trial id -> what it is doing."""
        self._make_attempt = make_attempt
        self._attempts = Attempts(max_failures)
        self._limit = limit
        self._stopping = stopping
        self._on_event = on_event
        self._on_given_up = on_given_up
        self._again: deque[TrialAttempt] = deque()
        self._reported: dict[str, TrialResult] = {}
        self.finished: list[tuple[float, float]] = []
        """(training seconds, probe seconds) of each finished trial."""
        self.failed: list[TrialResult] = []
        self.interrupted: dict[str, TrialResult | None] = {}
        """trial_id -> what its worker said when it was stopped."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves its Tuner for a restore that never comes; the display cannot be pickled

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        return True  # `limit` does it

    @property
    def done(self) -> bool:
        """Nothing is running and nothing will come."""
        return not self.running and (self._stopping() or (not self._again and self.work.exhausted))

    def suggest(self, trial_id: str) -> Any:
        # A configuration, Searcher.FINISHED (a text), or None for nothing at the moment.
        if self.done:
            return str(Searcher.FINISHED)
        if self._stopping() or len(self.running) >= self._limit():
            return None
        if self._again:
            attempt = self._again.popleft()
        else:
            trial = self.work.next()
            if trial is None:
                return str(Searcher.FINISHED) if self.done else None
            attempt = self._make_attempt(trial, 1, 1)
        self.running[trial_id] = attempt
        return {"attempt": attempt}

    def on_trial_start(self, trial_id: str) -> None:
        attempt = self.running[trial_id]
        self._on_event(Event("started", attempt.trial, attempt.number))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        # A worker that must be replaced reports its trial first, and then fails.
        self._reported[trial_id] = result["result"]

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if trial_id in self._reported:
            self._settle(trial_id, self._reported.pop(trial_id))
        elif result and "result" in result:
            self._settle(trial_id, result["result"])
        elif not error:
            self._settle(trial_id, None)
        # else: Tune tells the cause to its callbacks next; see `on_death`.

    def on_death(self, trial_id: str, message: str) -> None:
        """The worker of a trial has died."""
        attempt = self.running.get(trial_id)
        if attempt is None:
            return
        failure, with_node = classify_death(message)
        left = _last_word(attempt)
        cause = cause_in(left, attempt.trial.resources.stall_seconds) if failure == "lost" and not with_node else None
        if cause is not None:
            failure, said, message = "error", cause, left
        elif failure == "lost":
            said = "its node died" if with_node else "its process died"
        else:
            said = memory_line(message) or "its node ran out of memory"
        result = TrialResult(
            attempt.trial.trial_id,
            "lost" if failure == "lost" else "failed",
            attempt.number,
            failure_class=failure,
            message=said,
            traceback=message,
        )
        self._settle(trial_id, result, died=True, with_node=with_node)

    def on_all_lost(self, message: str) -> None:
        """Tune's loop is over because a worker died, nobody knows which: all that is running is lost, one at fault."""
        for trial_id, attempt in list(self.running.items()):
            said = f"its process or another one died: {memory_line(message) or message.splitlines()[0]}"
            lost = TrialResult(attempt.trial.trial_id, "lost", attempt.number, failure_class="lost", message=said)
            self._settle(trial_id, replace(lost, traceback=message), died=True)

    def _settle(
        self, trial_id: str, result: TrialResult | None, *, died: bool = False, with_node: bool = False
    ) -> None:
        attempt = self.running.pop(trial_id)
        trial = attempt.trial
        if result is not None and result.status == "finished":
            self._attempts.forget(trial.trial_id)
            self.finished.append((result.train_seconds, result.probe_seconds))
            self.work.tell(trial, result)
            self._on_event(Event("finished", trial, attempt.number, result))
            return
        if result is None or result.status == "interrupted" or self._stopping():
            self.interrupted[trial.trial_id] = result
            self._on_event(Event("interrupted", trial, attempt.number, result))
            return
        again = self._attempts.after(trial.trial_id, result.failure_class or "error", with_node=with_node)
        if again is not None:
            self._again.append(self._make_attempt(trial, attempt.number + 1, again.factor))
            self._on_event(Event("again", trial, attempt.number, result))
            return
        self._attempts.forget(trial.trial_id)
        if died:
            with suppress(Exception):  # the store is away: the run stays RUNNING, and `doctor` names it
                self._on_given_up(attempt, result)
        self.failed.append(result)
        self.work.tell(trial, result)
        self._on_event(Event("failed", trial, attempt.number, result))

    # Tune saves its searcher with its own experiment state, which nothing here reads.
    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        return

    def save(self, checkpoint_path: str) -> None:
        return

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("launch the sweep again: the tracking store knows what is missing")


def _last_word(attempt: TrialAttempt) -> str:
    return read_note(note_path(attempt.context.notes_folder, attempt.trial.trial_id, attempt.number))


class LoopEnded(Exception):
    """Leaves Tune's loop without writing the state of every trial to disk once more."""


class LoopAbandoned(BaseException):
    """Leaves Tune's loop at once, without waiting for workers. No Exception, because Tune waits for those."""


class TuneEvents(Callback):
    """Tells the searcher what Tune tells callbacks only, and ends the loop."""

    def __init__(self, searcher: WorkSearcher, overdue: Callable[[], bool]):
        """
        Args:
            overdue: whether the launch was stopped so long ago that workers are not waited for any more.
        """
        self._searcher = searcher
        self._overdue = overdue

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves its callbacks; what this one refers to is alive in this process only

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._searcher.on_trial_start(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        path = Path(trial.error_file) if trial.error_file else None
        self._searcher.on_death(trial.trial_id, path.read_text() if path and path.exists() else "")

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._searcher.done:
            raise LoopEnded
        if self._overdue():
            raise LoopAbandoned
