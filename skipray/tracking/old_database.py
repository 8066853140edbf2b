"""A database of another MLflow version is migrated by its owner, who has a copy, and never by opening it.

MLflow's client migrates, without a word, a database that lacks a table which the installed version has; what was
migrated can no longer be opened by the version that made it.
"""

from skipray.tracking.address import TrackingRefused, redact, sqlite_path
from skipray.tracking.mlflow_private import newest_schema


def refuse_other_schema(uri: str) -> None:
    """
    Raises:
        TrackingRefused: the database has MLflow's tables in another version than the installed one's.
    """
    found = _schema_of(uri)
    expected = newest_schema() if found else None
    if found is None or expected is None or found == expected:
        return
    path = sqlite_path(uri)
    copy = f"cp {path} {path}.backup" if path is not None else "make a backup of it"
    raise TrackingRefused(
        f"found a database of another MLflow version at {redact(uri)} (schema {found}; allowed: {expected}); "
        f"to migrate an older one: {copy}, then `mlflow db upgrade {redact(uri)}`"
    )


def _schema_of(uri: str) -> str | None:
    """The revision that the database says it has; None for one without tables, and one that cannot be asked: what is
    wrong with that is said when it is opened."""
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.exc import SQLAlchemyError

    path = sqlite_path(uri)
    if path is not None and not path.is_file():
        return None
    engine = create_engine(uri)
    try:
        if not inspect(engine).has_table("alembic_version"):
            return None
        with engine.connect() as connection:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return None if found is None else str(found)
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()
