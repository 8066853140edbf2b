"""A database of another MLflow version is left as it is."""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from skipray import tracking


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
