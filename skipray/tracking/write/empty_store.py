"""A new SQLite store begins as a copy of an empty one that MLflow has made before.

MLflow makes an empty one with its first release's tables and all migrations since: a second or two of a launch's start.
So one is kept with what else can be made again, told by the release and the revision of its tables. What MLflow writes
into a new store that names its place (the experiment `Default`) is left out: MLflow writes it when it opens the copy.
Where a copy cannot be kept or read, or has rows that were not looked for, MLflow makes the store in place.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from skipray.storage.cache import cache_folder
from skipray.storage.folder import LocalFolder
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
    try:
        with closing(sqlite3.connect(f"{kept.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            if not _is_empty(database):
                return False
        # Never over a store that another program has just made.
        return LocalFolder(path.parent).create(path.name, kept.read_bytes())
    except (OSError, ValueError, sqlite3.Error):
        return False


def _keep(path: Path, kept: Path) -> None:
    with TemporaryDirectory() as folder:
        aside = Path(folder, path.name)
        with closing(sqlite3.connect(path)) as made, closing(sqlite3.connect(aside)) as database:
            made.backup(database)
            database.execute(f"DELETE FROM {_OF_A_PLACE}")
            database.commit()
            if not _is_empty(database):
                return
        LocalFolder(kept.parent).write(kept.name, aside.read_bytes())


def _is_empty(database: sqlite3.Connection) -> bool:
    """Whether it is undamaged and has MLflow's tables without a row, but for those in which each store has some."""
    if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
        return False
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    filled = {t for t in tables if database.execute(f'SELECT 1 FROM "{t}" LIMIT 1').fetchone()}
    return _OF_A_PLACE in tables and "alembic_version" in filled and filled <= _FILLED
