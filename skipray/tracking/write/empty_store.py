"""A new SQLite store begins as a copy of an empty one that MLflow has made before.

MLflow makes an empty one with its first release's tables and all migrations since: a second or two of a launch's start,
and a process that ends meanwhile, or a disk that is full, leaves a store that MLflow takes for one of another version.
So it is made aside, and kept with what else can be made again, told by the release and the revision of its tables. What
MLflow writes into a new store that names its place (the experiment `Default`) is left out: MLflow writes it when it
opens the copy. Where an empty store has rows that were not looked for, MLflow makes it in place.
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
from skipray.tracking.client import reach
from skipray.tracking.mlflow_private import newest_schema
from skipray.tracking.write.one_file import left_beside

_OF_A_PLACE = "experiments"
"""The table whose rows name the store's folder."""
_FILLED = {"alembic_version", "workspaces"}
"""The tables that have rows in an empty store."""


@contextmanager
def begun_from_empty(uri: str) -> Iterator[None]:
    """Within, MLflow opens a store for the first time; the file is there already, whole, where it is a SQLite file. One
    process at a time. Where the log of a file that was removed is left, which SQLite would read into the copy, MLflow
    makes the store: SQLite removes such a log from beside a file that it makes itself.

    Raises:
        OSError: the store has no room, or no place.
    """
    path = sqlite_path(uri)
    content = None if path is None or path.exists() or left_beside(path) else _empty()
    if path is not None and content is not None:
        # Never over a store that another program has just made.
        LocalFolder(path.parent).create(path.name, content)
    yield


def _empty() -> bytes | None:
    """An empty store, kept or made aside; None where MLflow makes one that was not looked for."""
    revision = newest_schema()
    if revision is None:
        return None
    kept = cache_folder() / f"empty-store-mlflow-{metadata.version('mlflow')}-{revision}.db"
    if _is_whole(kept):
        return kept.read_bytes()
    with TemporaryDirectory() as folder:
        content = _made(Path(folder))
    if content is not None:
        with suppress(OSError):
            LocalFolder(kept.parent).write(kept.name, content)
    return content


def _is_whole(kept: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{kept.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            return _is_empty(database)
    except (OSError, ValueError, sqlite3.Error):
        return False


def _made(folder: Path) -> bytes | None:
    """What MLflow makes in a folder that is nobody's: killed meanwhile, no store is left half made."""
    made, aside = folder / "made.db", folder / "aside.db"
    reach(f"sqlite:///{made}", lambda c: c.get_experiment_by_name("Default"))
    with closing(sqlite3.connect(made)) as database, closing(sqlite3.connect(aside)) as copy:
        database.backup(copy)
        copy.execute(f"DELETE FROM {_OF_A_PLACE}")
        copy.commit()
        if not _is_empty(copy):
            return None
    return aside.read_bytes()


def _is_empty(database: sqlite3.Connection) -> bool:
    """Whether it is undamaged and has MLflow's tables without a row, but for those in which each store has some."""
    if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
        return False
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    filled = {t for t in tables if database.execute(f'SELECT 1 FROM "{t}" LIMIT 1').fetchone()}
    return _OF_A_PLACE in tables and "alembic_version" in filled and filled <= _FILLED
