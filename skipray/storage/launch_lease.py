"""One launch a sweep: the second one sees that the first is living.

The owner's file bears a number and is renewed every few seconds by a thread. A launch of the same machine is living
while its process is; one of another machine while its file is being renewed, which the reader watches for itself when
the two clocks may disagree.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import psutil

from skipray.storage.folder import Folder, open_folder
from skipray.storage.place import Fenced

HEARTBEAT_SECONDS = 4.0
STALE_SECONDS = 30.0
"""An owner of another machine whose file has not been renewed for so long is gone."""


@dataclass(frozen=True)
class Owner:
    """A launch, as its file says."""

    host: str
    machine: str
    """Host, boot and process namespace: equal only where process ids mean the same."""
    pid: int
    process_started: float
    """Seconds since 1970; with the pid it names a process for good."""
    token: str
    heartbeat: float
    """Seconds since 1970, on the owner's clock."""

    def __str__(self) -> str:
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.process_started))
        return f"process {self.pid} on {self.host}, running since {started}"


class AlreadyRunning(RuntimeError):
    """Another launch of this sweep is living."""

    def __init__(self, sweep: str, owner: Owner):
        self.owner = owner
        super().__init__(f"sweep {sweep} is being run already by {owner}; wait for it, or stop it first")


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
        """Set when another launch has taken over, having found this one silent for too long."""
        self._folder = open_folder(storage, sweep)
        self._heartbeat_seconds = heartbeat_seconds
        self._stale_seconds = stale_seconds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._number = 0
        self._me = Owner("", "", 0, 0.0, "", 0.0)

    def acquire(self) -> "SweepLease":
        """Become the sweep's launch, or raise AlreadyRunning."""
        self._me = _myself()
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
                    self.lost.set()
                    return
                self._folder.write(_file(self._number), self._content())
            except OSError:
                continue  # storage that is away for a moment must not stop the sweep; the next beat tries again


def living_launch(storage: str | os.PathLike[str], sweep: str, *, stale_seconds: float = STALE_SECONDS) -> Owner | None:
    """The launch that runs a sweep now; None when there is none. Does not wait: clocks are taken to agree."""
    folder = open_folder(storage, sweep)
    _, owner = _newest(folder)
    if owner is None:
        return None
    if owner.machine == _machine():
        return owner if _process_lives(owner) else None
    return owner if time.time() - owner.heartbeat <= stale_seconds else None


def _newest(folder: Folder) -> tuple[int, Owner | None]:
    number = max(_numbers(folder), default=0)
    data = folder.read(_file(number)) if number else None
    if data is None:
        return number, None
    try:
        return number, Owner(**json.loads(data))
    except (ValueError, TypeError):
        return number, None  # a damaged file has no owner


def _living(folder: Folder, number: int, owner: Owner, stale_seconds: float, heartbeat_seconds: float) -> bool:
    if owner.machine == _machine():
        return _process_lives(owner)
    age = time.time() - owner.heartbeat
    if 0 <= age <= stale_seconds:
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


def _process_lives(owner: Owner) -> bool:
    try:
        process = psutil.Process(owner.pid)
        return abs(process.create_time() - owner.process_started) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _myself() -> Owner:
    process = psutil.Process()
    return Owner(
        socket.gethostname(), _machine(), process.pid, process.create_time(), uuid.uuid4().hex, heartbeat=time.time()
    )


def _machine() -> str:
    parts = [socket.gethostname()]
    for path in (Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")):
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text().strip())
        except OSError:
            continue  # no Linux: the host's name has to do
    return " ".join(parts)


def _file(number: int) -> str:
    return f"launch-{number:06d}.json"


def _numbers(folder: Folder) -> list[int]:
    return [int(n[7:13]) for n in folder.names() if n.startswith("launch-")]
