"""A new SQLite store begins as a copy of an empty one that MLflow has made before.

MLflow makes an empty one with its first release's tables and all migrations since: a second or two of a launch's start.
So one is kept with what else can be made again, told by the release and the revision of its tables. What MLflow writes
into a new store that names its place (the experiment `Default`) is left out: MLflow writes it when it opens the copy.
Where a copy cannot be kept or read, or has rows that were not looked for, MLflow makes the store in place.
"""

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib import metadata
from pathlib import Path

from skipray.storage.cache import cache_folder
from skipray.tracking.address import sqlite_path
from skipray.tracking.mlflow_private import newest_schema

_OF_A_PLACE = "experiments"
"""The table whose rows name the store's folder."""
_FILLED = {"alembic_version", "workspaces"}
"""The tables that have rows in an empty store."""


@contextmanager
def begun_from_empty(uri: str) -> Iterator[None]:
    """Within, MLflow opens a store for the first time; the file is there already where a copy of an empty one is kept.
    One process at a time."""
    path = sqlite_path(uri)
    kept = None if path is None or path.exists() else _kept()
    if path is None or kept is None:
        yield
        return
    if _copied(kept, path):
        yield
        return
    yield
    with suppress(OSError, sqlite3.Error):
        _keep(path, kept)


def _kept() -> Path | None:
    revision = newest_schema()
    if revision is None:
        return None
    return cache_folder() / f"empty-store-mlflow-{metadata.version('mlflow')}-{revision}.db"


def _copied(kept: Path, path: Path) -> bool:
    """Whether there is a whole store at `path` now."""
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        content = kept.read_bytes()
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:  # as SQLite makes it
            file.write(content)
        with closing(sqlite3.connect(fresh)) as database:
            if not _is_empty(database):
                return False
        os.link(fresh, path)  # never over a store that another program has just made
        return True
    except (OSError, sqlite3.Error):
        return False
    finally:
        fresh.unlink(missing_ok=True)


def _keep(path: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_name(f".{kept.name}.{uuid.uuid4().hex}")
    try:
        with closing(sqlite3.connect(path)) as made, closing(sqlite3.connect(fresh)) as database:
            made.backup(database)
            database.execute(f"DELETE FROM {_OF_A_PLACE}")
            database.commit()
            if not _is_empty(database):
                return
        fresh.replace(kept)
    finally:
        fresh.unlink(missing_ok=True)


def _is_empty(database: sqlite3.Connection) -> bool:
    """Whether it is undamaged and has MLflow's tables without a row, but for those in which each store has some."""
    if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
        return False
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    filled = {t for t in tables if database.execute(f'SELECT 1 FROM "{t}" LIMIT 1').fetchone()}
    return _OF_A_PLACE in tables and "alembic_version" in filled and filled <= _FILLED
