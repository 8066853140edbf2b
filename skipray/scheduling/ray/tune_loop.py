"""Tune's loop over a searcher, in a thread of its own: its calls block while the head is away, and somebody must
notice."""

import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.exceptions import RayError

from skipray.scheduling.ray import private
from skipray.scheduling.ray.searcher import LoopAbandoned, LoopEnded, TuneEvents, WorkSearcher
from skipray.scheduling.ray.worker import TrialWorker


class TuneLoop(threading.Thread):
    """One that has failed, or was abandoned, holds what it has of Ray until it is let go: where the head is lost, each
    actor and placement group that is collected would complain to the user, or wait for the head."""

    def __init__(
        self,
        searcher: WorkSearcher,
        folder: Path,
        *,
        most_at_once: int,
        reuse_processes: bool,
        own_environment: bool,
        overdue: Callable[[], bool],
    ):
        """
        Args:
            folder: for Tune's own files, which nothing reads.
            own_environment: workers have this process's environment, and so can be those that Ray has started ahead.
            overdue: whether workers are not waited for any more.
        """
        super().__init__(name="skipray-tune", daemon=True)
        self._searcher = searcher
        self._folder = folder
        self._most_at_once = most_at_once
        self._reuse = reuse_processes
        self._worker = TrialWorker if own_environment else None
        self._overdue = overdue
        self._let_go = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None
        """What the loop has raised."""

    def run(self) -> None:
        try:
            self._fit()
        except LoopAbandoned:
            self.ended.set()
            self._let_go.wait()
        except BaseException as error:
            self.error = error
            self.ended.set()
            self._let_go.wait()
        self.ended.set()

    def let_go(self) -> None:
        self._let_go.set()

    def _fit(self) -> None:
        while True:
            try:
                with private.adjusted_loop(self._worker):
                    self._tuner().fit()
                return
            except LoopEnded:
                return
            except Exception as error:
                death = told_death(error)
                if death is None:
                    raise
                # Tune has ended its loop over the death of a worker of which it does not know the kind, and does not
                # say which. All are started again, and the others lose at most what no checkpoint holds.
                self._searcher.on_all_lost(death)
            gc.collect()  # the old loop's actors end with it

    def _tuner(self) -> tune.Tuner:
        return tune.Tuner(
            TrialWorker,
            tune_config=tune.TuneConfig(
                search_alg=self._searcher,
                num_samples=-1,
                max_concurrent_trials=self._most_at_once,
                reuse_actors=self._reuse,
                trial_name_creator=_trial_name,
                trial_dirname_creator=_trial_name,
            ),
            run_config=tune.RunConfig(
                name="skipray",
                storage_path=str(self._folder),
                callbacks=[TuneEvents(self._searcher, overdue=self._overdue), *private.unprinted()],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=0),
                verbose=0,
                # Tune's own for notebooks clears the cell, even where it is told to say nothing.
                progress_reporter=tune.CLIReporter() if _in_notebook() else None,
            ),
        )


def told_death(error: BaseException) -> str | None:
    """What Ray says of a worker, where an error of its own is the cause of what Tune's loop raised; None where it is
    not. What Ray raises at once, such as the refusal of a driver of another cluster, is no worker's."""
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, RayError):
            return f"{type(cause).__name__}: {cause}"
        cause = cause.__cause__
    return None


def _in_notebook() -> bool:
    """Whether this process is a notebook's, as Ray tells it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _trial_name(trial: Any) -> str:
    return str(trial.trial_id)
