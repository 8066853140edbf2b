"""A launch: Ray Tune drives the trials of a Work on a connected cluster, until none is left or it is stopped."""

import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from skipray.scheduling.ray.attempt import Execute, TrialAttempt, WorkerContext
from skipray.scheduling.ray.capacity import Capacity
from skipray.scheduling.ray.cluster import Cluster
from skipray.scheduling.ray.head import within
from skipray.scheduling.ray.head_watch import HeadWatch
from skipray.scheduling.ray.local_folder import folder_within
from skipray.scheduling.ray.resources import Shares
from skipray.scheduling.ray.stop_flag import StopFlag
from skipray.scheduling.work.events import Event, Summary
from skipray.scheduling.work.protocol import TrialResult, Work
from skipray.scheduling.work.stopping import GRACE_SECONDS, Stop
from skipray.spec import SweepSpec, TrialSpec
from skipray.storage import local_path

if TYPE_CHECKING:
    from skipray.scheduling.ray.searcher import WorkSearcher
    from skipray.scheduling.ray.tune_loop import TuneLoop

LOOK_SECONDS = 0.2
"""How often the main thread looks whether the launch has to end."""
STOP_POLLS_A_SECOND = 100.0
"""Workers together ask the cluster's head about so often whether they should stop."""
LOOP_SECONDS = 3.0
"""So long after the workers' time a stopped loop is waited for: one whose calls wait for a head that is gone never
ends."""
NOTES = ".notes"
"""Folder in the storage; no sweep's name begins with a dot."""
TIDY_SECONDS = 5.0
"""So long the head is waited for when all is done and its flag is taken away."""


def run(
    work: Work,
    sweep: SweepSpec,
    context: WorkerContext,
    cluster: Cluster,
    *,
    shares: Shares | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    on_wait: Callable[[], None] = lambda: None,
    run_ids: Callable[[str], str | None] = lambda trial_id: None,
    taken_over: Callable[[], bool] = lambda: False,
    execute: Execute | None = None,
    fresh_processes: bool = False,
) -> Summary:
    """Run everything that a Work hands out.

    Ctrl-C, Ctrl-\\, SIGTERM and SIGHUP stop it: workers get `GRACE_SECONDS` to save and close their runs; a second
    signal raises KeyboardInterrupt at once. So does another launch that has taken over; a head that is lost ends it
    without its workers, which nobody can reach then. The cluster stays connected in every case: the caller ends it.

    Args:
        context: where workers read and write.
        shares: GPU fraction of each trial; from the spec alone when left out.
        on_event: called for each event in the loop's thread, between two of its steps; keep it quick.
        on_wait: called several times per second from the calling thread, while there is nothing to do but wait.
        run_ids: trial_id -> the trial's run in the tracking store (`Ledger.run_id`).
        taken_over: whether another launch of the sweep has found this one silent and gone on in its place.
        execute: what a worker does with an attempt; skipray's own trials when left out.
        fresh_processes: a process per trial, instead of warm ones.
    """
    from skipray.scheduling.ray.searcher import WorkSearcher
    from skipray.scheduling.ray.tune_loop import TuneLoop

    shares = shares or Shares(sweep)
    watch = HeadWatch(cluster)
    capacity = Capacity(lambda: watch.cluster, sweep, shares)
    launch_id = uuid.uuid4().hex
    notes = _notes_folder(cluster, context, launch_id)
    context = replace(
        context,
        launch_id=launch_id,
        notes_folder=None if notes is None else str(notes),
        stop_poll_seconds=max(context.stop_poll_seconds, capacity.concurrency() / STOP_POLLS_A_SECOND),
    )
    flag = StopFlag(context.launch_id)
    stop = Stop(flag.set)

    def make_attempt(trial: TrialSpec, number: int, factor: int) -> TrialAttempt:
        cpus, gpus = capacity.at_most(*shares.of(trial, factor))
        return TrialAttempt(
            trial, number, factor, cpus, gpus, context, execute or _execute_trial, run_ids(trial.trial_id)
        )

    def tell(event: Event) -> None:
        if not watch.lost:  # else nobody listens to the loop any more
            on_event(event)

    searcher = WorkSearcher(
        work,
        make_attempt,
        max_failures=sweep.resources.max_failures,
        limit=capacity.concurrency,
        stopping=lambda: stop.requested,
        on_event=tell,
        on_given_up=_record_death if execute is None else _record_nothing,
    )
    started = time.monotonic()
    with folder_within(None if cluster.start is None else cluster.start.folder) as folder:
        loop = TuneLoop(
            searcher,
            folder,
            most_at_once=capacity.most(),
            reuse_processes=not fresh_processes,
            own_environment=cluster.address is None,
            overdue=lambda: stop.overdue or bool(watch.lost),
        )
        with watch, stop:
            loop.start()
            why = _follow(loop, watch, stop, taken_over, on_wait)
    if not why and not stop.requested:
        within(TIDY_SECONDS, flag.remove)
    if notes is not None:
        shutil.rmtree(notes, ignore_errors=True)
    return _summary(searcher, on_event, interrupted=stop.requested or bool(why), why=why, started=started)


def _follow(
    loop: "TuneLoop", watch: HeadWatch, stop: Stop, taken_over: Callable[[], bool], on_wait: Callable[[], None]
) -> str:
    """Wait for the end of the loop, of the cluster, or of the patience with a loop that was told to stop.

    Returns:
        Why the launch ended before it was done, where nobody asked for it; empty otherwise.
    """
    while not loop.ended.wait(LOOK_SECONDS) and not watch.lost:
        if taken_over():
            stop.request()
        if stop.seconds > GRACE_SECONDS + LOOP_SECONDS:
            break
        on_wait()
    if loop.error is not None:
        watch.look()  # between two of its looks: Ray refuses its own driver when another head is in place
    # A signal to the whole process group ends a cluster on this machine too: whoever has sent it knows why.
    why = "" if stop.requested else watch.lost
    if not watch.lost:
        loop.let_go()
        if loop.error is not None and not stop.requested:
            raise loop.error
    return why


def _summary(
    searcher: "WorkSearcher", on_event: Callable[[Event], None], *, interrupted: bool, why: str, started: float
) -> Summary:
    unfinished = list(searcher.running.values())
    for left in unfinished:
        on_event(Event("interrupted", left.trial, left.number))
    return Summary(
        finished=len(searcher.finished),
        failed=tuple(searcher.failed),
        unfinished=len(unfinished) + len(searcher.interrupted),
        interrupted=interrupted,
        seconds=time.monotonic() - started,
        train_seconds=sum(train for train, _ in searcher.finished),
        probe_seconds=sum(probe for _, probe in searcher.finished),
        why=why,
    )


def _notes_folder(cluster: Cluster, context: WorkerContext, launch_id: str) -> Path | None:
    """Of the launch's own folder, or of the storage where all nodes have it as a folder."""
    if cluster.start is not None:
        return cluster.start.folder.path / "notes"
    storage = local_path(context.storage)
    return None if storage is None else Path(storage) / NOTES / launch_id


def _execute_trial(attempt: TrialAttempt, interrupted: Callable[[], None]) -> TrialResult:
    from skipray.scheduling.ray.run_attempt import run_attempt  # in the worker: the driver needs no torch

    return run_attempt(attempt, interrupted)


def _record_death(attempt: TrialAttempt, result: TrialResult) -> None:
    from skipray.scheduling.ray.run_attempt import record_death

    record_death(attempt, result)


def _record_nothing(attempt: TrialAttempt, result: TrialResult) -> None:
    return
