"""A new store that begins as a copy of an empty one is what MLflow makes, in its own place."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from skipray.spec import SweepSpec, load_sweep
from skipray.tracking import prepare
from skipray.tracking.write import empty_store
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


def tables(path: Path) -> list[tuple[object, ...]]:
    """Without their text, in which a release may write constraints in any order."""
    return [row[:3] for row in schema(path)]


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
        assert tables(path) == tables(kept(folder))
    assert list(cache.iterdir()) == [empty]
    assert tables(empty) == tables(kept(folder))
    assert rows(empty, "experiments") == 0


def test_a_store_that_has_more_than_was_looked_for_is_made_in_place(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next(cache.iterdir()).unlink()
    monkeypatch.setattr(empty_store, "_FILLED", {"alembic_version"})
    path = tmp_path / "skipray.db"
    with begun_from_empty(f"sqlite:///{path}"):
        assert not path.exists(), "MLflow makes it"
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_done_without(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path / "cache"))
    with begun_from_empty(f"sqlite:///{tmp_path}/skipray.db"):
        assert tables(tmp_path / "skipray.db") == tables(kept(folder))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "skipray.db"]


ENDED = """
import os, sys
from skipray.spec import load_sweep
from skipray.tracking import prepare

from alembic.operations import Operations
real, count = Operations.create_table, 0
def create_table(*arguments, **options):
    global count
    count += 1
    if count > int(sys.argv[2]):
        os._exit(9)
    return real(*arguments, **options)
Operations.create_table = create_table
prepare(load_sweep(sys.argv[1]), f"sqlite:///{os.getcwd()}/skipray.db")
"""


@pytest.mark.parametrize("count", [0, 4])
def test_a_process_that_ends_while_mlflow_makes_the_tables_leaves_no_store(
    sweep: SweepSpec, tmp_path: Path, count: int
) -> None:
    environment = os.environ | {"SKIPRAY_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ENDED, str(ROOT / "sweeps" / "quickstart.yaml"), str(count)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 9, done.stderr
    assert not (tmp_path / "skipray.db").exists()


def test_mlflow_tells_nobody_of_a_store_that_is_made_aside(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is opened as any other store is, which may be the first thing that a process does with MLflow."""
    next(cache.iterdir()).unlink()
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    with begun_from_empty(f"sqlite:///{tmp_path}/skipray.db"):
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_disk_without_room_is_said_and_leaves_no_store(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(empty_store.LocalFolder, "create", full)
    path = tmp_path / "skipray.db"
    with pytest.raises(OSError, match="No space left"), begun_from_empty(f"sqlite:///{path}"):
        raise AssertionError("MLflow makes it")
    assert not path.exists()


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
