"""A SQLite store's file holds all of a sweep that has ended, and takes nothing over from a removed one."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from skipray.spec import load_sweep
from skipray.tracking import exists, finish_sweep, prepare, sweep_status

ROOT = Path(__file__).resolve().parents[2]
BEGUN = f"""
import os, sys
from skipray.spec import load_sweep
from skipray.tracking import prepare
prepare(load_sweep({str(ROOT / "sweeps" / "quickstart.yaml")!r}), sys.argv[1])
os._exit(0)  # as if killed
"""


def left_by_a_process_that_was_killed(folder: Path) -> Path:
    path = folder / "skipray.db"
    subprocess.run([sys.executable, "-c", BEGUN, f"sqlite:///{path}"], cwd=folder, check=True, timeout=100)
    assert path.with_name("skipray.db-wal").stat().st_size > 0, "as MLflow leaves it"
    return path


def test_the_file_alone_has_all_of_a_sweep_that_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sweep, copy = load_sweep(ROOT / "sweeps" / "quickstart.yaml"), tmp_path / "copy"
    address = prepare(sweep, f"sqlite:///{tmp_path}/skipray.db")
    finish_sweep(address, "FAILED")
    copy.mkdir()
    shutil.copy(tmp_path / "skipray.db", copy)  # not what lies beside it
    assert sweep_status(sweep, f"sqlite:///{copy}/skipray.db") == "FAILED"


def test_who_reads_meanwhile_keeps_the_log_and_nothing_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("skipray.tracking.write.one_file.WAIT_SECONDS", 0.1)
    sweep, uri = load_sweep(ROOT / "sweeps" / "quickstart.yaml"), f"sqlite:///{tmp_path}/skipray.db"
    address = prepare(sweep, uri)
    with closing(sqlite3.connect(tmp_path / "skipray.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT status FROM runs").fetchall()
        finish_sweep(address, "FAILED")
        assert reader.execute("SELECT status FROM runs").fetchall() == before, "what it has begun to read"
    assert sweep_status(sweep, uri) == "FAILED"


def test_the_log_of_a_removed_file_is_no_part_of_the_next_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = left_by_a_process_that_was_killed(tmp_path)
    path.unlink()
    shutil.rmtree(tmp_path / "skipray-store")
    sweep, other = (load_sweep(ROOT / "sweeps" / f"{name}.yaml") for name in ("quickstart", "mnist"))
    prepare(other, f"sqlite:///{path}")
    assert exists(other, f"sqlite:///{path}")
    assert not exists(sweep, f"sqlite:///{path}"), "it was removed"
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
