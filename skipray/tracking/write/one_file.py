"""The file of a SQLite store holds all of it, once a sweep has ended.

SQLite writes into a log beside the file first, and into the file when the last connection is closed: which MLflow never
does. Until then the file alone lacks the latest runs.
"""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from skipray.tracking.address import sqlite_path

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file, behind its name."""
WAIT_SECONDS = 2.0
"""Who reads longer than this keeps the log: nothing is lost by that, as long as it stays beside the file."""


def into_one_file(uri: str) -> None:
    """Write the log of a SQLite store into its file; nothing of other stores, or while another process reads."""
    path = sqlite_path(uri)
    if path is None:
        return
    with suppress(OSError, ValueError, sqlite3.Error):
        address = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def left_beside(path: Path) -> bool:
    """Whether something of an earlier file of this name is left, which would be taken for part of a new one."""
    return any(path.with_name(path.name + end).exists() for end in BESIDE)
