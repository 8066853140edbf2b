"""One launch per sweep, from wherever: the lease lies in the tracking store, where every launch of a sweep looks.

Each launch is a numbered param of the sweep's run, and the newest is the owner. A param can be made and never changed,
in every store that MLflow writes to: of two launches that try one number at once, the store takes one. What is renewed
is a tag. That the owner lives is seen as with any owner (`skipray.storage.owner`); one of another machine that has
fallen silent is watched for a while before it is taken for gone, since the two clocks may disagree.
"""

import contextlib
import json
import threading
import time
from dataclasses import asdict
from types import TracebackType
from typing import Any

from skipray.spec import SweepSpec
from skipray.storage import AlreadyRunning, Fenced, Owner
from skipray.storage.owner import STALE_SECONDS, is_here, myself, process_lives, seems_living
from skipray.tracking.address import Address, TrackingAway, TrackingRefused
from skipray.tracking.client import reach
from skipray.tracking.read.launches import BEAT, IN_TURN, PARAM, RELEASED, Launches, read_launches

HEARTBEAT_SECONDS = 5.0
WATCHED_BEATS = 3
"""So many heartbeats an owner that seems silent is watched."""

_given_up: set[str] = set()
"""Tokens of this process's own launches that have ended, where the store could not be told so."""


class StoreLease:
    """The right to run a sweep's trials, given by the tracking store. A context manager.

    Args:
        storage: where this launch keeps checkpoints and results, for the next one to compare.

    Raises AlreadyRunning on entry when another launch is living.
    """

    def __init__(
        self,
        address: Address,
        sweep: SweepSpec,
        *,
        storage: str = "",
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        stale_seconds: float = STALE_SECONDS,
    ):
        self.sweep = sweep.name
        self.lost = threading.Event()
        """Set when another launch has taken over, having found this one silent for too long."""
        self._address = address
        self._storage = storage
        self._heartbeat_seconds, self._stale_seconds = heartbeat_seconds, stale_seconds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.in_turn = False
        """Whether this launch, and each before, began after the one before had given the sweep up."""
        self._number, self._beats = 0, 0
        self._me: Owner | None = None

    def acquire(self) -> "StoreLease":
        """Become the sweep's launch, or raise AlreadyRunning."""
        self._me = myself(self._storage)
        while True:
            found = self._read()
            if found.owner is not None and self._is_living(found):
                raise AlreadyRunning(self.sweep, found.owner)
            self.in_turn = found.in_turn and found.owner is None
            if self._claim(found.number + 1):
                break
        self._stopping.clear()
        self._thread = threading.Thread(target=self._renew, name="skipray-store-lease", daemon=True)
        self._thread.start()
        return self

    def release(self) -> None:
        """Give the sweep up. May be called twice."""
        self._stopping.set()
        if self._thread is None:
            return
        self._thread.join(self._heartbeat_seconds + 5)
        self._thread = None
        assert self._me is not None, "there is a thread since acquire()"
        _given_up.add(self._me.token)
        if not self.lost.is_set():
            # What stays behind names a launch that is no more, which the next one finds out.
            with contextlib.suppress(TrackingAway, TrackingRefused):
                self._set_tag(RELEASED, str(self._number), retries=())

    def check(self) -> None:
        """Raises Fenced when another launch has taken over."""
        if self.lost.is_set():
            raise Fenced(f"another launch has taken over sweep {self.sweep}")

    def __enter__(self) -> "StoreLease":
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _read(self) -> Launches:
        return read_launches(self._address.uri, self._address.parent_run_id)

    def _claim(self, number: int) -> bool:
        assert self._me is not None, "acquire() comes first"
        content = json.dumps(asdict(self._me) | {IN_TURN: self.in_turn})
        run_id = self._address.parent_run_id
        # Refused where another was first; MLflow's words for that need not be told from others, reading back says it.
        with contextlib.suppress(TrackingRefused):
            reach(self._address.uri, lambda c: c.log_param(run_id, f"{PARAM}{number:06d}", content))
        found = self._read()
        if found.number < number:
            raise TrackingAway(f"the tracking store does not keep what launch {number} of {self.sweep} has written")
        self._number = number
        return found.number == number and found.owner is not None and found.owner.token == self._me.token

    def _is_living(self, found: Launches) -> bool:
        assert found.owner is not None, "the caller has looked"
        if found.owner.token in _given_up:
            return False
        if is_here(found.owner):
            return process_lives(found.owner)
        if seems_living(found.owner, self._stale_seconds):
            return True
        end = time.monotonic() + WATCHED_BEATS * self._heartbeat_seconds
        while time.monotonic() < end:
            time.sleep(min(0.5, self._heartbeat_seconds / 4))
            now = self._read()
            if now.owner is None:
                return False
            if (now.number, now.beat) != (found.number, found.beat):
                return True
        return False

    def _renew(self) -> None:
        while not self._stopping.wait(self._heartbeat_seconds):
            try:
                found = self._read()
                if found.number != self._number:
                    self.lost.set()
                    return
                self._beats += 1
                beat = {"launch": self._number, "beat": self._beats, "time": time.time()}
                self._set_tag(BEAT, json.dumps(beat), retries=())
            except (TrackingAway, TrackingRefused, OSError):
                continue  # a store that is away for a moment must not stop the sweep; the next beat tries again

    def _set_tag(self, key: str, value: str, **options: Any) -> None:
        reach(self._address.uri, lambda c: c.set_tag(self._address.parent_run_id, key, value), **options)
