"""A launch: Ray Tune drives the trials of a Work on a connected cluster, until none is left or it is stopped."""

import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from skipray.scheduling.ray.attempt import Execute, TrialAttempt, WorkerContext
from skipray.scheduling.ray.cluster import Cluster
from skipray.scheduling.ray.head_watch import HeadWatch
from skipray.scheduling.ray.resources import Shares
from skipray.scheduling.work.events import Event, Summary
from skipray.scheduling.work.protocol import TrialResult, Work
from skipray.scheduling.work.stopping import Stop
from skipray.spec import SweepSpec, TrialSpec

LOOK_SECONDS = 0.2
"""How often the main thread looks whether the launch has to end."""
STOP_POLLS_A_SECOND = 100.0
"""Workers together ask the cluster's head about so often whether they should stop."""


def run(
    work: Work,
    sweep: SweepSpec,
    context: WorkerContext,
    cluster: Cluster,
    *,
    shares: Shares | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    run_ids: Callable[[str], str | None] = lambda trial_id: None,
    taken_over: Callable[[], bool] = lambda: False,
    execute: Execute | None = None,
    fresh_processes: bool = False,
) -> Summary:
    """Run everything that a Work hands out.

    Ctrl-C and SIGTERM stop it: workers get `GRACE_SECONDS` to save and close their runs; a second signal raises
    KeyboardInterrupt at once. So does another launch that has taken over; a head that is lost ends it without its
    workers, which nobody can reach then. The cluster stays connected in every case: the caller ends it.

    Tune's loop runs in a thread of its own: its calls block while the head is away, and somebody must notice.

    Args:
        context: where workers read and write.
        shares: GPU fraction of each trial; from the spec alone when left out.
        on_event: called for each event in the loop's thread, between two of its steps; keep it quick.
        run_ids: trial_id -> the trial's run in the tracking store (`Ledger.run_id`).
        taken_over: whether another launch of the sweep has found this one silent and gone on in its context.
        execute: what a worker does with an attempt; skipray's own trials when left out.
        fresh_processes: a process a trial, instead of warm ones.
    """
    from ray import tune
    from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_put

    from skipray.scheduling.ray.searcher import LoopAbandoned, LoopEnded, TuneEvents, WorkSearcher
    from skipray.scheduling.ray.tune_loop import adjusted_tune
    from skipray.scheduling.ray.worker import TrialWorker, stop_key

    shares = shares or Shares(sweep)
    watch = HeadWatch(cluster)
    size = Size(lambda: watch.cluster, sweep, shares)
    context = replace(
        context,
        launch_id=uuid.uuid4().hex,
        stop_poll_seconds=max(context.stop_poll_seconds, size.concurrency() / STOP_POLLS_A_SECOND),
    )
    given_up = _record_death if execute is None else _record_nothing
    execute = execute or _execute_trial
    key = stop_key(context.launch_id)

    def make_attempt(trial: TrialSpec, number: int, share: int) -> TrialAttempt:
        cpus, gpus = shares.of(trial, share)
        cpus, gpus = size.at_most(cpus, gpus)
        return TrialAttempt(trial, number, share, cpus, gpus, context, execute, run_ids(trial.trial_id))

    def announce() -> None:
        with suppress(Exception):  # the head may be gone
            _internal_kv_put(key, b"1")

    def tell(event: Event) -> None:
        if not watch.lost:  # else nobody listens to the loop any more
            on_event(event)

    stop = Stop(announce)
    searcher = WorkSearcher(
        work,
        make_attempt,
        max_failures=sweep.resources.max_failures,
        limit=size.concurrency,
        stopping=lambda: stop.requested,
        on_event=tell,
        on_given_up=given_up,
    )
    folder = tempfile.mkdtemp(prefix="skipray-tune-")
    started = time.monotonic()
    tuner = tune.Tuner(
        TrialWorker,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,
            max_concurrent_trials=size.most(),
            reuse_actors=not fresh_processes,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name=sweep.name,
            storage_path=folder,
            callbacks=[TuneEvents(searcher, overdue=lambda: stop.overdue or bool(watch.lost))],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )

    def fit() -> None:
        with adjusted_tune(TrialWorker if cluster.address is None else None), suppress(LoopEnded, LoopAbandoned):
            tuner.fit()

    why = ""
    loop = _Loop(fit)
    try:
        with watch, stop:
            loop.start()
            while not loop.ended.wait(LOOK_SECONDS) and not watch.lost:
                if taken_over():
                    stop.request()
            if loop.error is not None:
                watch.look()  # between two of its looks: Ray refuses its own driver when another head is in place
            why = watch.lost
            if loop.error is not None and not why:
                loop.let_go()
                raise loop.error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not why:
            with suppress(Exception):
                _internal_kv_del(key)
    unfinished = list(searcher.running.values())
    for left in unfinished:
        on_event(Event("interrupted", left.trial, left.number))
    return Summary(
        finished=len(searcher.finished),
        failed=tuple(searcher.failed),
        unfinished=len(unfinished) + len(searcher.interrupted),
        interrupted=stop.requested or bool(why),
        seconds=time.monotonic() - started,
        train_seconds=sum(train for train, _ in searcher.finished),
        probe_seconds=sum(probe for _, probe in searcher.finished),
        why=why,
    )


class _Loop(threading.Thread):
    """Tune's loop. One that has failed holds what it has of Ray until it is let go: where the head is lost, each actor
    and placement group that is collected would complain to the user."""

    def __init__(self, fit: Callable[[], None]):
        super().__init__(name="skipray-tune", daemon=True)
        self._fit = fit
        self._let_go = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None
        """What the loop has raised."""

    def run(self) -> None:
        try:
            self._fit()
        except BaseException as error:
            self.error = error
            self.ended.set()
            self._let_go.wait()
        self.ended.set()

    def let_go(self) -> None:
        self._let_go.set()
        self.join()


class Size:
    """How many trials fit at once, while nodes come and go."""

    def __init__(self, cluster: Callable[[], Cluster], sweep: SweepSpec, shares: Shares):
        """
        Args:
            cluster: with the nodes that it has now.
        """
        self._cluster = cluster
        self._most = sweep.resources.max_concurrent
        self._smallest = shares.smallest()

    def concurrency(self) -> int:
        fit = max(1, self._cluster().fits(*self._smallest))
        return min(fit, self._most) if self._most else fit

    def most(self) -> int:
        """An upper bound for Tune, which takes a fixed number: growth included."""
        return self._most or max(1000, 4 * self.concurrency())

    def at_most(self, cpus: float, gpus: float) -> tuple[float, float]:
        """A doubled share, cut to what the largest node has."""
        nodes = self._cluster().nodes
        most_gpus = max((node.gpus for node in nodes), default=0.0)
        most_cpus = max((node.cpus for node in nodes if node.gpus >= min(gpus, most_gpus)), default=cpus)
        return min(cpus, most_cpus), min(gpus, most_gpus) if gpus else 0.0


def _execute_trial(attempt: TrialAttempt, interrupted: Callable[[], None]) -> TrialResult:
    from skipray.scheduling.ray.run_attempt import run_attempt  # in the worker: the driver needs no torch

    return run_attempt(attempt, interrupted)


def _record_death(attempt: TrialAttempt, result: TrialResult) -> None:
    from skipray.scheduling.ray.run_attempt import record_death

    record_death(attempt, result)


def _record_nothing(attempt: TrialAttempt, result: TrialResult) -> None:
    return


def _trial_name(trial: Any) -> str:
    return str(trial.trial_id)
