"""One attempt of one trial in a worker: lease, checkpoints, training, delivery. Wires storage, tracking and trial.

Importing this module imports torch: once per process.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skipray.extension import as_launched
from skipray.records import EpochRecord, TrialRecord
from skipray.scheduling.ray.attempt import TrialAttempt, WorkerContext
from skipray.scheduling.ray.worker import OWN_ENDS, failure_of, is_end_of_process
from skipray.scheduling.work.protocol import TrialResult
from skipray.storage import Failure, Fenced, Lease, TrialPlace, still_owns
from skipray.tracking import Recorder, redact
from skipray.trial import run_trial

if TYPE_CHECKING:
    from skipray.tracking import Address

ACQUIRE_PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 20.0)
"""A storage that is away for a minute must not fail every trial that starts meanwhile."""

SCALARS = ("train.loss", "train.accuracy", "validation.loss", "chance.accuracy", "chance.loss")

log = logging.getLogger(__name__)


def run_attempt(attempt: TrialAttempt, interrupted: Callable[[], None]) -> TrialResult:
    """Run a trial from its last checkpoint, or only deliver its result when that is waiting.

    Never raises for a failure of the trial: the failure is recorded in its run, with the original traceback, and
    returned. Raises Interrupted when the launch is being stopped; the last checkpoint is saved then. Raises SystemExit
    where Ray ends the process, which is no failure of the trial.
    """
    trial, process = attempt.trial, os.getpid()
    for name, value in attempt.context.credentials.items():
        os.environ.setdefault(name, value)
    try:
        lease = _acquire(attempt, interrupted)
    except OSError as error:
        # Nothing is wrong with the trial, and without the storage it would have no owner: it is tried again.
        message = f"the storage {attempt.context.storage} cannot be written: {error}"
        return TrialResult(trial.trial_id, "lost", attempt.number, failure_class="lost", message=redact(message))
    except Exception as error:
        return failure_of(attempt, error)
    try:
        recorder = Recorder(
            _address(attempt.context),
            trial,
            lease,
            run_id=attempt.run_id,
            look_first=_may_have_a_run(attempt),
            through=attempt.context.runs,
        )
    except Exception as error:
        return failure_of(attempt, error)
    try:
        waiting = lease.place.load_result()
        if waiting is not None:
            recorder.finish(waiting[0])
            return _finished(attempt, waiting[0])
        if not recorder.start():
            return TrialResult(
                trial.trial_id, "finished", attempt.number, message="found finished in the tracking store"
            )
        as_launched.check(_own_code(attempt), trial.dataset.name)
        checkpoints, refused = _Checkpoints(lease, recorder), list[str]()
        record = run_trial(
            trial,
            data_root=attempt.context.data_root,
            checkpoints=checkpoints,
            on_saved=checkpoints.on_saved,
            interrupted=interrupted,
            on_refused=refused.append,
        )
        if os.getpid() != process:
            os._exit(1)  # a copy that the trial's code has forked: the process itself records the trial
        recorder.finish(record)
        return _finished(attempt, record, "".join(f"it started over: {why}" for why in refused))
    except Fenced as error:
        # A newer attempt has the trial: it says how the trial ends, and this one has nothing to record.
        return TrialResult(trial.trial_id, "lost", attempt.number, failure_class="lost", message=str(error))
    except OWN_ENDS as error:
        if is_end_of_process(error):
            raise
        result = failure_of(attempt, error)
        _record(recorder, result)
        return result


def _own_code(attempt: TrialAttempt) -> dict[str, Mapping[str, Any]]:
    """Of the user's own code, what the trial runs, as the launch read it."""
    names = [name for name, _ in attempt.trial.source_hashes]
    return {name: attempt.context.sources[name] for name in names if name in attempt.context.sources}


def record_death(attempt: TrialAttempt, result: TrialResult) -> None:
    """Record, from the driver, the failure of a trial whose workers died and which is given up.

    Raises:
        Exception: neither the tracking store nor the storage can be reached.
    """
    lease = TrialPlace(attempt.context.storage, attempt.trial.sweep, attempt.trial.trial_id).acquire(_owner())
    _record(Recorder(_address(attempt.context), attempt.trial, lease, run_id=attempt.run_id, look_first=True), result)


class _Checkpoints:
    """A lease's checkpoints, without which a trial goes on: a full disk costs the resume, not the trial."""

    def __init__(self, lease: Lease, recorder: Recorder):
        self._lease = lease
        self._recorder = recorder
        self._durable = True

    def load(self) -> bytes | None:
        return self._lease.load()

    def save(self, state: bytes) -> None:
        try:
            self._lease.save(state)
            self._durable = True
        except OSError as error:
            if self._durable:
                log.warning("no checkpoint of trial %s can be saved: %s", self._lease.place.trial_id, error)
            self._durable = False

    def on_saved(self, records: Sequence[EpochRecord]) -> None:
        # Records that no checkpoint holds would be measured anew after a crash; they go with the result instead.
        if self._durable:
            self._recorder.epochs(records)


def _acquire(attempt: TrialAttempt, interrupted: Callable[[], None]) -> Lease:
    place = TrialPlace(attempt.context.storage, attempt.trial.sweep, attempt.trial.trial_id)
    for pause in (*ACQUIRE_PAUSES_SECONDS, None):
        try:
            return place.acquire(_owner())
        except OSError:
            if pause is None:
                raise
            end = time.monotonic() + pause
            while time.monotonic() < end:
                interrupted()
                time.sleep(0.2)
    raise AssertionError("the last pause raises")


def _may_have_a_run(attempt: TrialAttempt) -> bool:
    """Whether the trial may have a run that this launch had not seen when it read what is finished."""
    context = attempt.context
    try:
        return attempt.number > 1 or not still_owns(context.storage, attempt.trial.sweep, context.launch_mark)
    except OSError:
        return True


def _owner() -> dict[str, str | int]:
    return {"host": socket.gethostname(), "pid": os.getpid()}


def _address(context: WorkerContext) -> "Address":
    assert context.address is not None, "run_attempt needs a tracking address"
    return context.address


def _finished(attempt: TrialAttempt, record: TrialRecord, message: str = "") -> TrialResult:
    last = record.epochs[-1].metrics if record.epochs else {}
    return TrialResult(
        record.trial_id,
        "finished",
        attempt.number,
        outcome=record.outcome,
        message=redact(message),
        train_seconds=record.train_seconds,
        probe_seconds=record.probe_seconds,
        validation_accuracy=None if record.outcome == "diverged" else last.get("validation.accuracy"),
        scalars={key: last[key] for key in SCALARS if key in last},
    )


def _record(recorder: Recorder, result: TrialResult) -> None:
    failure = Failure(
        failure_class=result.failure_class or "error",
        message=result.message,
        traceback=result.traceback,
        time_ms=time.time_ns() // 1_000_000,
        attempt=recorder.lease.attempt,
    )
    try:
        recorder.fail(failure)
    except Fenced:
        pass  # a newer attempt has the trial, and will record how it ends
    except Exception as error:
        log.warning("the failure of %s cannot be recorded: %s", recorder.trial.label, redact(str(error)))
