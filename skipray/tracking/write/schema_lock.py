"""One process at a time makes the schema of a SQLite file: several that migrate one file race.

The system's lock of a file ends with the process that holds it, whatever its pid is and whoever has it next. Where a
file system has no such locks SQLite does not work either.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skipray.errors import InputRefused
from skipray.tracking.address import sqlite_path, store_folder

LOCK = "schema.lock"
"""In the store's folder, as long as a schema is made. What stands in it, or was left there by a kill, means nothing."""
WAIT_SECONDS = 60.0
"""Who holds the lock for longer stands still, and is waited for no more."""
LOOK_SECONDS = 0.05


@contextmanager
def schema_lock(uri: str) -> Iterator[None]:
    """Within, no other process makes the tables of this SQLite file; nothing of other databases, which lock themselves.

    Raises:
        InputRefused: the store's folder, or the lock in it, is something else.
    """
    path = sqlite_path(uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    place = store_folder(uri) / LOCK
    lock = _taken(place)
    try:
        yield
    finally:
        if lock is not None:
            place.unlink(missing_ok=True)
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)  # a fork of this process, which has it too, holds it no longer
            os.close(lock)


def _taken(place: Path) -> int | None:
    """The file, locked by this process; None where that was not to be had in time."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        lock = _opened(place)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(lock, place):
                return lock
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        except OSError:
            end = 0.0  # no locks here
        os.close(lock)
        if time.monotonic() > end:
            return None


def _is(lock: int, place: Path) -> bool:
    """Whether the file still has its name: who held it before has taken that away."""
    try:
        return os.path.samestat(os.fstat(lock), place.stat())
    except FileNotFoundError:
        return False


def _opened(place: Path) -> int:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
    except (FileExistsError, NotADirectoryError):
        raise InputRefused(
            f"{place.parent}: found no folder there; the store's files and checkpoints go into one of this name: move "
            "away what is there, or name another store (--tracking-uri sqlite:////ANOTHER/skipray.db)"
        ) from None
    except IsADirectoryError:
        raise InputRefused(
            f"{place}: found a folder there; a launch's lock is a file of this name: remove the folder"
        ) from None
