"""One launch per sweep: the second one sees that the first is living.

The owner's file bears a number and is renewed every few seconds by a thread. A launch of the same machine is living
while its process is; one of another machine while its file is being renewed, which the reader watches for itself when
the two clocks may disagree.
"""

import contextlib
import json
import os
import re
import threading
import time
from dataclasses import asdict
from types import TracebackType

from skipray.storage.folder import Folder, open_folder
from skipray.storage.owner import (
    STALE_SECONDS,
    AlreadyRunning,
    Owner,
    is_here,
    myself,
    owner_from,
    process_lives,
    seems_living,
)
from skipray.storage.place import Fenced

HEARTBEAT_SECONDS = 4.0
_LAUNCH = re.compile(r"^launch-([0-9]{6})\.json$")


class SweepLease:
    """The right to run a sweep's trials. A context manager; `acquire` and `release` do the same by hand.

    Raises AlreadyRunning on entry when another launch is living.
    """

    def __init__(
        self,
        storage: str | os.PathLike[str],
        sweep: str,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        stale_seconds: float = STALE_SECONDS,
    ):
        self.sweep = sweep
        self.lost = threading.Event()
        """Set when another launch has taken over, having found this one silent for too long, or when it is gone."""
        self.gone = False
        """Whether nothing is left of it: somebody has removed the storage."""
        self._folder = open_folder(storage, sweep)
        self._heartbeat_seconds = heartbeat_seconds
        self._stale_seconds = stale_seconds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._number = 0
        self._me = Owner("", "", 0, 0.0, "", 0.0)

    def acquire(self) -> "SweepLease":
        """Become the sweep's launch, or raise AlreadyRunning."""
        self._me = myself()
        while True:
            number, owner = _newest(self._folder)
            if owner is not None and _living(self._folder, number, owner, self._stale_seconds, self._heartbeat_seconds):
                raise AlreadyRunning(self.sweep, owner)
            if self._folder.create(_file(number + 1), self._content()):
                self._number = number + 1
                break
        for old in _numbers(self._folder):
            if old < self._number:
                self._folder.remove(_file(old))
        self._stopping.clear()
        self._thread = threading.Thread(target=self._beat, name="skipray-sweep-lease", daemon=True)
        self._thread.start()
        return self

    def release(self) -> None:
        """Give the sweep up. May be called twice."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(self._heartbeat_seconds + 5)
            self._thread = None
            if not self.lost.is_set():
                # A file that stays behind names a launch that is no more, which the next one finds out.
                with contextlib.suppress(OSError):
                    self._folder.remove(_file(self._number))

    @property
    def mark(self) -> str:
        """Names this launch for `still_owns`: its file, whose number a later launch may have again, and its token."""
        return f"{_file(self._number)} {self._me.token}"

    def check(self) -> None:
        """Raises Fenced when another launch has taken over."""
        if self.lost.is_set():
            raise Fenced(f"another launch has taken over sweep {self.sweep}")

    def __enter__(self) -> "SweepLease":
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _content(self) -> bytes:
        return json.dumps(asdict(self._me) | {"heartbeat": time.time()}).encode()

    def _beat(self) -> None:
        while not self._stopping.wait(self._heartbeat_seconds):
            try:
                number, owner = _newest(self._folder)
                if number != self._number or owner is None or owner.token != self._me.token:
                    self.gone = number == 0
                    self.lost.set()
                    return
                self._folder.write(_file(self._number), self._content())
            except OSError:
                continue  # storage that is away for a moment must not stop the sweep; the next beat tries again


def still_owns(storage: str | os.PathLike[str], sweep: str, mark: str) -> bool:
    """Whether a launch, by its mark, has neither ended nor been followed by another; not so without a mark."""
    if not mark:
        return False
    name, _, token = mark.partition(" ")
    owner = _owner(open_folder(storage, sweep).read(name))
    return owner is not None and owner.token == token


def living_launch(storage: str | os.PathLike[str], sweep: str, *, stale_seconds: float = STALE_SECONDS) -> Owner | None:
    """The launch that runs a sweep now; None when there is none. Does not wait: clocks are taken to agree."""
    folder = open_folder(storage, sweep)
    _, owner = _newest(folder)
    return owner if owner is not None and seems_living(owner, stale_seconds) else None


def _newest(folder: Folder) -> tuple[int, Owner | None]:
    number = max(_numbers(folder), default=0)
    return number, _owner(folder.read(_file(number)) if number else None)


def _owner(data: bytes | None) -> Owner | None:
    if data is None:
        return None
    try:
        return owner_from(json.loads(data))
    except (ValueError, TypeError, AttributeError):
        return None  # a damaged file has no owner


def _living(folder: Folder, number: int, owner: Owner, stale_seconds: float, heartbeat_seconds: float) -> bool:
    if is_here(owner):
        return process_lives(owner)
    if seems_living(owner, stale_seconds):
        return True
    # Old, or from the future: the clocks may disagree. Only a renewal while we look proves life.
    before = folder.read(_file(number))
    end = time.monotonic() + 2 * heartbeat_seconds
    while time.monotonic() < end:
        time.sleep(min(0.5, heartbeat_seconds / 4))
        now = folder.read(_file(number))
        if now is None:
            return False
        if now != before:
            return True
    return False


def _file(number: int) -> str:
    return f"launch-{number:06d}.json"


def _numbers(folder: Folder) -> list[int]:
    return [int(found[1]) for n in folder.names() if (found := _LAUNCH.match(n))]
