"""Runs are written by the launch, for workers on its machine: they import no MLflow, which takes longer than PyTorch.

A worker says what is to be done to the run of its attempt (`RemoteRun`), this process does it with a `TrialRun`, and
says what became of it. Where nobody answers the store counts as away: the result waits in the storage, as always.
"""

import logging
import pickle
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from skipray.records import EpochRecord, TrialRecord
from skipray.spec import TrialSpec
from skipray.storage import Failure, Lease
from skipray.tracking.address import Address, TrackingAway
from skipray.tracking.write.run import TrialRun

log = logging.getLogger(__name__)

FAMILY, BACKLOG = "AF_UNIX", 128
PAUSE_SECONDS = 0.1
STEPS = ("open", "log_epochs", "finish", "fail")
"""What a worker can have done: methods of `TrialRun`."""


@dataclass(frozen=True)
class Begin:
    """Of whose run a connection is."""

    address: Address
    trial: TrialSpec
    lease: Lease
    run_id: str | None
    look_first: bool


@dataclass(frozen=True)
class Done:
    """What became of a step."""

    value: Any
    error: Exception | None
    run_id: str | None
    finished: bool


class RunServer:
    """Does in this process what workers ask for. Several trials at once; of one trial a step at a time, so that a step
    whose worker has died is over before its next attempt looks."""

    def __init__(self, folder: Path):
        """
        Args:
            folder: its user's alone, for the socket.

        Raises:
            OSError: no socket can be made.
        """
        self.place = str(folder / "runs")
        self._listener = Listener(self.place, FAMILY, BACKLOG)
        self._ended = False
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        threading.Thread(target=self._accept, name="skipray-runs", daemon=True).start()

    def end(self) -> None:
        """Answer nobody any more."""
        self._ended = True
        with suppress(OSError):
            Client(self.place, FAMILY).close()  # wakes who accepts
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended:
            try:
                connection = self._listener.accept()
            except OSError:
                time.sleep(PAUSE_SECONDS)  # as many files are open as may be; others end
                continue
            threading.Thread(target=self._serve, args=(connection,), name="skipray-run", daemon=True).start()

    def _serve(self, connection: "Connection[Any, Any]") -> None:
        """Until the worker hangs up. Where what it says cannot be read it gets no answer."""
        try:
            with connection:
                self._answer(connection)
        except (EOFError, OSError):
            pass
        except Exception as error:
            log.warning("a worker of this machine cannot be understood: %s: %s", type(error).__name__, error)

    def _answer(self, connection: "Connection[Any, Any]") -> None:
        begin: Begin = connection.recv()
        run = TrialRun(
            begin.address,
            begin.trial,
            attempt=begin.lease.attempt,
            guard=begin.lease.check,
            run_id=begin.run_id,
            look_first=begin.look_first,
        )
        while not self._ended:
            step, arguments = connection.recv()
            with self._turns[begin.trial.trial_id]:
                done = _done(run, step, arguments)
            connection.send(done)


def _done(run: TrialRun, step: str, arguments: tuple[Any, ...]) -> Done:
    assert step in STEPS, step
    try:
        value, error = getattr(run, step)(*arguments), None
    except Exception as raised:
        value, error = None, _sendable(raised)
    return Done(value, error, run.run_id, run.finished)


def _sendable(error: Exception) -> Exception:
    """The error, or what can be told of it where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return TrackingAway(f"{type(error).__name__}: {error}")


class RemoteRun:
    """The run of an attempt, written by the launch. As `TrialRun`; raises also TrackingAway where the launch does not
    answer."""

    def __init__(
        self, place: str, address: Address, trial: TrialSpec, lease: Lease, *, run_id: str | None, look_first: bool
    ):
        """
        Args:
            place: of the launch's `RunServer`.
        """
        self.run_id, self.finished = run_id, False
        self._place = place
        self._begin = Begin(address, trial, lease, run_id, look_first)
        self._connection: Connection[Any, Any] | None = None

    def open(self) -> None:
        self._ask("open")

    def log_epochs(self, records: Sequence[EpochRecord]) -> list[str]:
        return list(self._ask("log_epochs", records))

    def finish(self, record: TrialRecord, artifacts: dict[str, bytes]) -> list[str]:
        return list(self._ask("finish", record, artifacts))

    def fail(self, failure: Failure) -> None:
        self._ask("fail", failure)

    def _ask(self, step: str, *arguments: Any) -> Any:
        begin, connection = self._begin, self._connection
        # Until it has answered: it is not to be mistaken for the answer to the next question. What was asked may have
        # been done all the same.
        self._begin, self._connection = replace(begin, run_id=self.run_id, look_first=True), None
        try:
            if connection is None:
                connection = Client(self._place, FAMILY)
                connection.send(begin)
            connection.send((step, arguments))
            done: Done = connection.recv()
        except (OSError, EOFError):
            raise TrackingAway("the launch, which writes the runs of its machine, does not answer") from None
        self._connection = connection
        self.run_id, self.finished = done.run_id, done.finished
        if done.error is not None:
            raise done.error
        return done.value
