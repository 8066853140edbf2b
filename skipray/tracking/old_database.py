"""A database of another MLflow version is migrated by its owner, who has a copy, and never by opening it; that of
another application is left alone.

MLflow's client migrates, without a word, a database that lacks a table which the installed version has; what was
migrated can no longer be opened by the version that made it. In another application's database it makes its tables
beside those that are there.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from skipray.tracking.address import TrackingRefused, redact, sqlite_path
from skipray.tracking.mlflow_private import mlflow_tables, newest_schema

_VERSION = "alembic_version"
"""Whoever uses alembic has it, such as Optuna."""
NAMED = 4
"""Tables of another application that are named."""


def refuse_other_schema(uri: str) -> None:
    """
    Raises:
        TrackingRefused: the database has MLflow's tables in another version than the installed one's, or only those of
            another application.
    """
    found, tables = _schema_of(uri)
    foreign = _foreign(tables)
    if foreign and (found is not None or sqlite_path(uri) is not None):  # a server's may be shared by intent
        raise TrackingRefused(
            f"found a database of another application at {redact(uri)} (its tables: {', '.join(foreign[:NAMED])}"
            f"{', ...' if len(foreign) > NAMED else ''}); allowed: MLflow's, or one that does not exist yet"
        )
    expected = newest_schema() if found else None
    if found is None or expected is None or found == expected:
        return
    path = sqlite_path(uri)
    copy = f"cp {path} {path}.backup" if path is not None else "make a backup of it"
    half = f"; it holds no run, and may be half made: rm {path}" if path and _holds_no_run(path, tables) else ""
    raise TrackingRefused(
        f"found a database of another MLflow version at {redact(uri)} (schema {found}; allowed: {expected}); "
        f"to migrate an older one: {copy}, then `mlflow db upgrade {redact(uri)}`{half}"
    )


def _holds_no_run(path: Path, tables: Sequence[str]) -> bool:
    """Whether its table of runs is not made yet, or empty; not where that cannot be asked."""
    if "runs" not in tables:
        return True
    try:
        with closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is None
    except sqlite3.Error:
        return False


def _foreign(tables: Sequence[str]) -> list[str]:
    """The tables that are not MLflow's, of a database that does not have MLflow's: one may be half made."""
    if not tables or "experiments" in tables or not (known := mlflow_tables()):
        return []
    return sorted({*tables} - {_VERSION} - known)


def _schema_of(uri: str) -> tuple[str | None, tuple[str, ...]]:
    """The revision that the database says it has, and the names of its tables; nothing of one that cannot be asked:
    what is wrong with that is said when it is opened."""
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.exc import SQLAlchemyError

    path = sqlite_path(uri)
    if path is not None and not path.is_file():
        return None, ()
    engine = create_engine(uri)
    try:
        tables = tuple(inspect(engine).get_table_names())
        if _VERSION not in tables:
            return None, tables
        with engine.connect() as connection:
            found = connection.execute(text(f"SELECT version_num FROM {_VERSION}")).scalar()
            return None if found is None else str(found), tables
    except SQLAlchemyError:
        return None, ()
    finally:
        engine.dispose()
