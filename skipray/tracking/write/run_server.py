"""Runs are written by the launch, for workers on its machine: they import no MLflow, which takes longer than PyTorch.

A worker says what is to be done to the run of its attempt (`RemoteRun`), this process does it with a `TrialRun`, and
says what became of it. Where nobody answers the store counts as away: the result waits in the storage, as always.

A result that is in the storage already may be left in this process's hands: the worker trains on while it is written.
What is in hand when the launch is killed waits in the storage like any other.
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
from skipray.storage import Failure, Fenced, Lease
from skipray.tracking.address import Address, TrackingAway
from skipray.tracking.write.refusal import refusal
from skipray.tracking.write.run import TrialRun

log = logging.getLogger(__name__)

FAMILY, BACKLOG = "AF_UNIX", 128
PAUSE_SECONDS = 0.1
STEPS = ("open", "log_epochs", "finish", "fail")
"""What a worker can have done: methods of `TrialRun`."""
HAND_OVER = "hand_over"
"""As `finish`, of a result that is in the storage."""
BYTES_IN_HAND = 2**26
"""Of results, at most; larger ones are waited for."""


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

    def __init__(self, folder: Path, *, ahead: int = 0):
        """
        Args:
            folder: its user's alone, for the socket.
            ahead: so many results at once, at most, are in hand while their workers go on.

        Raises:
            OSError: no socket can be made.
        """
        self.place = str(folder / "runs")
        self._listener = Listener(self.place, FAMILY, BACKLOG)
        self._ended = False
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._ahead, self._hand = ahead, dict[str, int]()
        """trial_id -> bytes of its result."""
        self._changed = threading.Condition()
        threading.Thread(target=self._accept, name="skipray-runs", daemon=True).start()

    @property
    def in_hand(self) -> frozenset[str]:
        """Trial_ids whose results are being written while their workers go on."""
        with self._changed:
            return frozenset(self._hand)

    def drain(self, seconds: float) -> bool:
        """Wait until nothing is in hand, at most so long. Returns whether that is so; what is waits in the storage."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._hand, seconds)

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
                if step == HAND_OVER and self._takes(begin.trial.trial_id, *arguments):
                    try:
                        connection.send(Done(None, None, run.run_id, run.finished))
                        self._write(run, begin, *arguments)
                    finally:
                        self._lets_go(begin.trial.trial_id)
                    continue
                done = _done(run, "finish" if step == HAND_OVER else step, arguments)
            connection.send(done)

    def _takes(self, trial_id: str, record: TrialRecord, artifacts: dict[str, bytes]) -> bool:
        size = sum(map(len, artifacts.values()))
        with self._changed:
            if len(self._hand) >= self._ahead or sum(self._hand.values()) + size > BYTES_IN_HAND:
                return False
            self._hand[trial_id] = size
            return True

    def _lets_go(self, trial_id: str) -> None:
        with self._changed:
            del self._hand[trial_id]
            self._changed.notify_all()

    def _write(self, run: TrialRun, begin: Begin, record: TrialRecord, artifacts: dict[str, bytes]) -> None:
        error = write_in_hand(run, begin.lease, record, artifacts)
        if error is not None:
            self._ahead = 0  # those that follow are waited for, so that what is refused is a failure of its trial
            log.warning("the result of %s is refused, and waits in the storage: %s", begin.trial.label, error)


def write_in_hand(run: TrialRun, lease: Lease, record: TrialRecord, artifacts: dict[str, bytes]) -> Exception | None:
    """Write a result that is in the storage, and take it from there. What cannot be written now waits in it.

    Returns:
        Why the store refuses it, which its run says too; None where it does not.
    """
    try:
        for key in run.finish(record, artifacts):
            log.info("a value of %s that is not finite was not sent: %s", run.trial.label, key)
    except (TrackingAway, Fenced, OSError) as error:
        log.info("the result of %s waits in the storage: %s", run.trial.label, error)
        return None
    except Exception as error:
        with suppress(Exception):
            run.fail(refusal(error, lease.attempt))
        return error
    with suppress(OSError, Fenced):  # what is left is found to be delivered, and removed, by the next launch
        lease.remove_delivered()
    return None


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

    def hand_over(self, record: TrialRecord, artifacts: dict[str, bytes]) -> list[str] | None:
        """As `finish`, of a result that is in the storage. None: the launch has it in hand, and takes it from there."""
        found = self._ask(HAND_OVER, record, artifacts)
        return None if found is None else list(found)

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
