"""Where a cluster of this machine alone keeps its sockets, logs, objects and token: a folder that is its user's alone.

Ray's own folders are open to everybody on the machine and stay forever, and its token lies in the user's home, which
may not be there. This one is short, because Unix sockets live in it, and goes with the launch.
"""

import fcntl
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from skipray.errors import InputRefused
from skipray.scheduling.ray import private

OBJECT_STORE_BYTES = 100 * 2**20
"""What goes through Ray is small: specifications and a handful of numbers. Data sets are mapped from files."""
SHARED_MEMORY = Path("/dev/shm")
FREE_FILES, FREE_BYTES = 300, 50 * 2**20
"""What Ray's sockets, logs and locks take on two cores is a third of it."""
LOCK = "lock"
"""Held for as long as the launch lives: whose is free was left by one that was killed."""
TOKEN_VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

_token = secrets.token_hex(32)
"""Of this process: Ray reads its token once."""


class SessionFolder:
    """A new folder, /tmp/skipray-PID-..."""

    def __init__(self) -> None:
        """
        Raises:
            InputRefused: it has no room for Ray's files.
            OSError: no temporary folder can be written.
        """
        place = _place()
        _remove_left(place)
        _check_room(place)
        self.path, self._lock = _new(place)
        self._own_token = not any(name in os.environ for name in TOKEN_VARIABLES)
        if self._own_token:
            token = self.path / "token"
            token.touch(mode=0o600)
            token.write_text(_token)
            os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
            private.forget_token()

    def options(self) -> dict[str, Any]:
        """For `ray.init`."""
        crowded = _free_bytes(SHARED_MEMORY) < 1.25 * OBJECT_STORE_BYTES
        return private.local_options(str(self.path / "r"), str(self.path) if crowded else None) | {
            "object_store_memory": OBJECT_STORE_BYTES
        }

    def remove(self) -> None:
        if self._own_token:
            os.environ.pop("RAY_AUTH_TOKEN_PATH", None)
            private.forget_token()
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


@contextmanager
def folder_within(session: SessionFolder | None) -> Iterator[Path]:
    """A new folder of this launch for files that nobody reads after it, which goes with it, or where it is killed, with
    the next one.

    Args:
        session: of a cluster of this machine alone; a folder of its own where there is none.
    """
    lock = None
    if session is None:
        place = _place()
        _remove_left(place)
        path, lock = _new(place)
    else:
        path = Path(tempfile.mkdtemp(dir=session.path))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _place() -> Path:
    return Path("/tmp" if os.access("/tmp", os.W_OK) else tempfile.gettempdir())


def _new(place: Path) -> tuple[Path, int]:
    """A folder that `_remove_left` of later launches and the supervisor of this one know, and its lock."""
    path = Path(tempfile.mkdtemp(prefix=f"skipray-{os.getpid()}-", dir=place))
    return path, _locked(path / LOCK)


def _locked(path: Path) -> int:
    """A new file that this process has locked; it has its name only then."""
    fresh = path.with_name("lock-to-be")
    lock = os.open(fresh, os.O_CREAT | os.O_RDWR, 0o600)
    with suppress(OSError):  # no locks here: what is left is not removed
        fcntl.flock(lock, fcntl.LOCK_EX)
        fresh.rename(path)
    return lock


def _remove_left(place: Path) -> None:
    """Remove the folders of this user's launches that were killed and could not."""
    for folder in place.glob("skipray-*"):
        with suppress(OSError):
            if not re.fullmatch(r"skipray-\d+-.+", folder.name) or folder.lstat().st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _check_room(folder: Path) -> None:
    """Ray on a full disk dies without saying why."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return
    free = found.f_bavail * found.f_frsize
    if found.f_files and found.f_favail < FREE_FILES:  # a file system that does not count its files has 0
        raise InputRefused(
            f"{folder}: found room for {found.f_favail} more files (`df -i {folder}`); Ray on this machine needs room "
            f"for {FREE_FILES}: remove some"
        )
    if free < FREE_BYTES:
        raise InputRefused(
            f"{folder}: found {free / 2**20:.0f} MiB free (`df {folder}`); Ray on this machine needs "
            f"{FREE_BYTES // 2**20} MiB: make room"
        )


def _free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
