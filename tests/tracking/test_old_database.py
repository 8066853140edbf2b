"""A database of another MLflow version is left as it is."""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from skipray import tracking
from skipray.tracking.old_database import refuse_other_schema


def test_an_older_database_is_not_migrated(sqlite: str, toys: SimpleNamespace, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "skipray.db")) as database:
        database.execute("PRAGMA journal_mode=DELETE")
        database.execute("UPDATE alembic_version SET version_num = '0584bdc529eb'")
        database.execute(
            "DROP TABLE model_version_tags"
        )  # a table that the installed version has: MLflow would migrate
        database.commit()
    before = (tmp_path / "skipray.db").read_bytes()
    with pytest.raises(tracking.TrackingRefused, match=r"schema 0584bdc529eb; allowed: \w+.*mlflow db upgrade sqlite"):
        tracking.open_sweep(toys.sweep(), sqlite)
    assert (tmp_path / "skipray.db").read_bytes() == before


@pytest.mark.parametrize("optunas", [False, True])
def test_another_applications_database_is_left_alone(toys: SimpleNamespace, tmp_path: Path, optunas: bool) -> None:
    """Optuna has alembic's table too: its database is no older MLflow's."""
    with closing(sqlite3.connect(tmp_path / "skipray.db")) as database:
        database.execute("CREATE TABLE studies (study_id INTEGER PRIMARY KEY)")
        if optunas:
            database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
            database.execute("INSERT INTO alembic_version VALUES ('v3.2.0.a')")
        database.commit()
    before = (tmp_path / "skipray.db").read_bytes()
    uri = f"sqlite:///{tmp_path}/skipray.db"
    with pytest.raises(
        tracking.TrackingRefused, match=r"another application at sqlite.*its tables: studies\); allowed:"
    ):
        tracking.open_sweep(toys.sweep(), uri)
    assert (tmp_path / "skipray.db").read_bytes() == before


def test_a_database_that_is_half_made_is_finished(toys: SimpleNamespace, tmp_path: Path) -> None:
    """A launch was killed while MLflow made its tables."""
    with closing(sqlite3.connect(tmp_path / "skipray.db")) as database:
        database.execute("CREATE TABLE registered_models (name VARCHAR(256) PRIMARY KEY, creation_time BIGINT)")
        database.commit()
    refuse_other_schema(f"sqlite:///{tmp_path}/skipray.db")
