"""A new store that begins as a copy of an empty one is what MLflow makes, in its own place."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from skipray.spec import SweepSpec, load_sweep
from skipray.tracking import prepare
from skipray.tracking.write.empty_store import begun_from_empty

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sweep() -> SweepSpec:
    return load_sweep(ROOT / "sweeps" / "quickstart.yaml")


def made(sweep: SweepSpec, folder: Path) -> Path:
    """A new store of that folder."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare(sweep, f"sqlite:///{folder}/skipray.db")
    return folder / "skipray.db"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sweep: SweepSpec) -> Iterator[Path]:
    """With `first`, a store that MLflow has made, and `cache`, what was kept of it."""
    folder = tmp_path_factory.mktemp("stores")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKIPRAY_CACHE", str(folder / "cache"))
        made(sweep, folder / "first")
        yield folder


def kept(folder: Path) -> Path:
    (empty,) = (folder / "cache").iterdir()
    return empty


@pytest.fixture
def cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(folder / "cache", tmp_path / "cache")
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def schema(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_a_second_store_is_a_copy_and_equals_the_first(
    sweep: SweepSpec, folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty,) = cache.iterdir()
    assert rows(empty, "experiments") == rows(empty, "runs") == rows(empty, "tags") == 0
    noted, first = empty.stat(), folder / "first" / "skipray.db"

    def never(*_: object, **__: object) -> None:
        raise AssertionError("MLflow makes the tables")

    monkeypatch.setattr("mlflow.store.db.utils._initialize_tables", never)
    second = made(sweep, tmp_path / "second")
    assert schema(second) == schema(first) == schema(empty)
    for path in (first, second):
        default = MlflowClient(f"sqlite:///{path}").get_experiment("0")
        assert default.name == "Default"
        assert default.artifact_location.startswith(str(path.parent)), "its own folder"
        assert path.stat().st_mode & 0o777 == 0o644 & ~umask()
    assert {p.name for p in second.parent.iterdir()} == {p.name for p in first.parent.iterdir()}, "nothing is left over"
    assert list(cache.iterdir()) == [empty]
    assert (empty.stat().st_mtime_ns, empty.stat().st_ino) == (noted.st_mtime_ns, noted.st_ino), "kept once"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50_000])


def of_something_else(path: Path) -> None:
    path.write_bytes(b"something else")


def with_an_experiment(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO experiments (experiment_id, name) VALUES (7, 'of somebody')")
        database.commit()


def without_tables(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE others (number INTEGER)")


@pytest.mark.parametrize("damage", [cut, of_something_else, with_an_experiment, without_tables, Path.unlink])
def test_what_is_no_empty_store_is_not_copied_and_kept_anew(
    folder: Path, cache: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    (empty,) = cache.iterdir()
    damage(empty)
    path = tmp_path / "skipray.db"
    with begun_from_empty(f"sqlite:///{path}"):
        assert list(tmp_path.iterdir()) == [cache], "nothing is there"
        shutil.copyfile(kept(folder), path)  # as MLflow makes it
    assert list(cache.iterdir()) == [empty]
    assert empty.read_bytes() == kept(folder).read_bytes()


def test_a_store_that_has_more_than_mlflow_gives_it_is_not_kept(folder: Path, cache: Path, tmp_path: Path) -> None:
    next(cache.iterdir()).unlink()
    path = tmp_path / "skipray.db"
    with begun_from_empty(f"sqlite:///{path}"):
        shutil.copyfile(kept(folder), path)
        with closing(sqlite3.connect(path)) as database:
            database.execute("INSERT INTO tags (key, value, run_uuid) VALUES ('key', 'secret', 'run')")
            database.commit()
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_done_without(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path / "cache"))
    with begun_from_empty(f"sqlite:///{tmp_path}/skipray.db"):
        shutil.copyfile(kept(folder), tmp_path / "skipray.db")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "skipray.db"]


def test_a_store_that_is_there_stays(folder: Path, cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    path.write_bytes(b"mine")
    with begun_from_empty(f"sqlite:///{path}"):
        assert path.read_bytes() == b"mine"
    assert len(list(cache.iterdir())) == 1


def umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found
