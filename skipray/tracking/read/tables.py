"""MLflow's own tables, read directly: `search_runs` loads every metric of every run, which takes minutes at scale.

Only columns that MLflow has had since 1.0 are named. Nothing is ever written here.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, column, create_engine, event, select, table
from sqlalchemy.exc import SQLAlchemyError

from skipray.tracking.address import TrackingAway, TrackingRefused, redact, sqlite_path

EXPERIMENTS = table("experiments", column("experiment_id"), column("name"), column("lifecycle_stage"))
RUNS = table(
    "runs",
    column("run_uuid"),
    column("experiment_id"),
    column("status"),
    column("lifecycle_stage"),
    column("start_time"),
    column("end_time"),
    column("artifact_uri"),
)
PARAMS = table("params", column("run_uuid"), column("key"), column("value"))
TAGS = table("tags", column("run_uuid"), column("key"), column("value"))
METRICS = table("metrics", column("run_uuid"), column("key"), column("value"), column("step"), column("is_nan"))
METRIC_VALUES = table("metrics", *map(column, ("run_uuid", "key", "value", "step", "timestamp", "is_nan")))
"""The same table, with the times."""
LATEST = table("latest_metrics", column("run_uuid"), column("key"), column("value"), column("step"), column("is_nan"))

FETCHED_ROWS = 20_000
"""Rows fetched at a time."""


@lru_cache(maxsize=8)
def engine(uri: str) -> Engine:
    """A read connection to an SQL address."""
    try:
        made = create_engine(uri, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        hint = "install its driver, as skipray[cluster] does for PostgreSQL"
        raise TrackingRefused(f"{redact(uri)}: {error}; {hint}") from None
    if made.dialect.name == "sqlite":

        @event.listens_for(made, "connect")
        def _patient(connection: Any, record: Any) -> None:
            connection.execute("PRAGMA busy_timeout = 20000")

    return made


def find_experiment(uri: str, name: str) -> int | None:
    """The sweep's experiment; None when it, the schema or the SQLite file does not exist. Creates nothing.

    Raises TrackingAway when the database cannot be reached.
    """
    return _experiment(uri, name, "active")


def deleted_experiment(uri: str, name: str) -> str | None:
    """The sweep's experiment where it was deleted in MLflow; None where it was not."""
    found = _experiment(uri, name, "deleted")
    return str(found) if found is not None else None


def _experiment(uri: str, name: str, stage: str) -> int | None:
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        return None
    query = select(EXPERIMENTS.c.experiment_id).where(
        EXPERIMENTS.c.name == name, EXPERIMENTS.c.lifecycle_stage == stage
    )
    try:
        with engine(uri).connect() as connection:
            if not engine(uri).dialect.has_table(connection, "experiments"):
                return None
            found = connection.execute(query).scalar()
    except SQLAlchemyError as error:
        raise away(uri, error) from None
    return int(found) if found is not None else None


def away(uri: str, error: SQLAlchemyError) -> TrackingAway:
    """A database error without secrets."""
    text = redact(str(getattr(error, "orig", None) or error)).strip().splitlines()
    return TrackingAway(f"{redact(uri)}: {text[0] if text else type(error).__name__}")
