"""Tables of many runs on the sweep's run: read instead of the runs' own files, for runs that are still the same."""

import logging
import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import RunTag

from skipray import tracking
from skipray.spec import SweepSpec
from skipray.tracking.files import read_file, write_files
from skipray.tracking.read import measured, run_tables, shared_tables
from skipray.tracking.schema import ARTIFACTS
from skipray.tracking.write import sharing

READERS = (tracking.read_trials, tracking.read_histories, tracking.read_layers, tracking.read_histograms)


@pytest.fixture(autouse=True)
def _of_few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (shared_tables, "FROM_RUNS"),
        (sharing, "FROM_RUNS"),
        (sharing, "CACHE_FROM"),
        (measured, "CACHE_FROM"),
    ):
        monkeypatch.setattr(module, name, 1)


def share(sweep: SweepSpec, uri: str) -> int:
    """As the end of a launch does it, on a machine that has read everything for its report."""
    address = tracking.open_sweep(sweep, uri)
    with tracking.one_look():
        everything(sweep, uri)
        ledger = tracking.read_ledger(sweep, uri)
        return tracking.share_tables(address, sweep, sweep.trials(), ledger, lambda text: None)


def everything(sweep: SweepSpec, uri: str) -> list[pd.DataFrame]:
    return [read(sweep, uri) for read in READERS]


def forget(uri: str) -> None:
    """Another machine has read nothing."""
    shutil.rmtree(tracking.store_folder(uri) / "cache", ignore_errors=True)


def slowly(sweep: SweepSpec, uri: str, monkeypatch: pytest.MonkeyPatch) -> list[pd.DataFrame]:
    """Each run asked itself, with nothing cached."""
    forget(uri)
    with monkeypatch.context() as patch:
        for module in (measured, run_tables):
            patch.setattr(module, "read_shared", lambda uri, experiment, kind, keys: ([], set(keys)))
        found = everything(sweep, uri)
    forget(uri)
    return found


def same(one: list[pd.DataFrame], other: list[pd.DataFrame]) -> None:
    for a, b in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(a, b)


def recorded(toys: SimpleNamespace, name: str, uri: str) -> SweepSpec:
    sweep: SweepSpec = toys.sweep(name)
    for trial in sweep.trials():
        toys.record_one(sweep, trial, uri)
    return sweep


def test_another_machine_asks_for_no_runs_files(
    proxy: Any, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = recorded(toys, "shared", proxy.uri)
    slow = slowly(sweep, proxy.uri, monkeypatch)
    assert share(sweep, proxy.uri) == 3
    assert share(sweep, proxy.uri) == 0, "only what is new is written"
    forget(proxy.uri)
    proxy.requests.clear()
    with tracking.one_look():
        same(everything(sweep, proxy.uri), slow)
    runs = {row.run_id for row in tracking.read_ledger(sweep, proxy.uri).finished.values()}
    assert not [r for r in proxy.requests if "get-history" in r or any(f"/{run}/" in r for run in runs)]
    assert tracking.examine(sweep, proxy.uri) == []
    extra = toys.sweep("shared", depths=(8, 14, 20))
    for trial in [t for t in extra.trials() if t.model.depth == 20]:
        toys.record_one(extra, trial, proxy.uri)
    slow = slowly(extra, proxy.uri, monkeypatch)
    same(everything(extra, proxy.uri), slow)
    assert share(extra, proxy.uri) == 3
    forget(proxy.uri)
    same(everything(extra, proxy.uri), slow)


def test_many_tables_become_one(proxy: Any, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MAX_TABLES", 2)
    sweep = toys.sweep("compacted")
    for trial in sweep.trials():
        toys.record_one(sweep, trial, proxy.uri)
        assert share(sweep, proxy.uri) == 3
        run = tracking.find_sweep_run(proxy.uri, sweep.name)
        assert run is not None
        kinds = [table.kind for table in shared_tables.shared_tables(run.tags)]
        assert max(map(kinds.count, kinds)) <= 2
    slow = slowly(sweep, proxy.uri, monkeypatch)
    same(everything(sweep, proxy.uri), slow)


def flipped(data: bytes, other: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


def truncated(data: bytes, other: bytes) -> bytes:
    return data[: len(data) // 2]


def foreign(data: bytes, other: bytes) -> bytes:
    return b"PAR1 or so"


def of_another_kind(data: bytes, other: bytes) -> bytes:
    return other


def test_a_damaged_table_is_passed_over_named_and_made_anew(
    proxy: Any, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = recorded(toys, "damaged", proxy.uri)
    slow = slowly(sweep, proxy.uri, monkeypatch)
    share(sweep, proxy.uri)
    for damage in (flipped, truncated, foreign, of_another_kind):
        forget(proxy.uri)
        run = tracking.find_sweep_run(proxy.uri, sweep.name)
        assert run is not None
        tables = {table.kind: table for table in shared_tables.shared_tables(run.tags)}
        place = (proxy.uri, run.artifact_uri, run.run_id)
        data = read_file(*place, tables["layers"].file)
        other = read_file(*place, tables["histories None"].file)
        assert data is not None
        assert other is not None
        write_files(*place, {tables["layers"].file: damage(data, other)})
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            same(everything(sweep, proxy.uri), slow)
        assert len([r for r in caplog.records if "passed over" in r.getMessage()]) == 1, damage
        findings = tracking.examine(sweep, proxy.uri)
        assert [f.kind for f in findings] == ["truncated"], damage
        assert tables["layers"].file in findings[0].what
        assert share(sweep, proxy.uri) == 1, damage
        assert tracking.examine(sweep, proxy.uri) == [], damage


def test_a_launch_that_is_killed_between_file_and_tag_leaves_nothing(
    proxy: Any, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = recorded(toys, "killed", proxy.uri)
    slow = slowly(sweep, proxy.uri, monkeypatch)

    def killed(*arguments: Any) -> None:
        write_files(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sharing, "write_files", killed)
        with pytest.raises(KeyboardInterrupt):
            share(sweep, proxy.uri)
    forget(proxy.uri)
    same(everything(sweep, proxy.uri), slow)
    assert tracking.examine(sweep, proxy.uri) == []


@pytest.mark.parametrize("seed", range(2))
def test_whatever_becomes_of_runs_the_values_are_those_of_the_runs(
    seed: int, proxy: Any, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    sweep = recorded(toys, f"edited-{seed}", proxy.uri)
    client = MlflowClient(proxy.uri)
    share(sweep, proxy.uri)
    deleted: list[str] = []
    for step in range(6):
        rows = list(tracking.read_ledger(sweep, proxy.uri).finished.values())
        row = rng.choice(rows)
        what = rng.choice(["delete", "restore", "measure", "mend", "list", "again", "rot", "share"])
        if what == "delete" and len(rows) > 3:
            client.delete_run(row.run_id)
            deleted.append(row.run_id)
        elif what == "restore" and deleted:
            client.restore_run(deleted.pop())
        elif what == "measure":
            trial = next(t for t in sweep.trials() if t.trial_id == row.trial_id)
            layers = toys.record(trial, layers=5).layers
            run = tracking.finished_run(proxy.uri, row.run_id)
            tracking.add_measurement(
                proxy.uri, run, f"m{step}", tracking.Measured({}, layers, metrics={f"m{step}": 1.0})
            )
        elif what == "mend":
            good = read_file(proxy.uri, row.artifact_uri, row.run_id, "layers.parquet") or b""
            write_files(proxy.uri, row.artifact_uri, row.run_id, {"layers.parquet": good[:50]})
            tracking.replace_files(proxy.uri, tracking.finished_run(proxy.uri, row.run_id), {"layers.parquet": good})
        elif what == "list":
            client.log_batch(row.run_id, tags=[RunTag(ARTIFACTS, "")])
        elif what == "again":
            trial = next(t for t in sweep.trials() if t.trial_id == row.trial_id)
            client.delete_run(row.run_id)
            toys.record_one(sweep, trial, proxy.uri, epochs=rng.choice((3, 4)))
            client.restore_run(row.run_id)
        elif what == "rot":
            own = tracking.find_sweep_run(proxy.uri, sweep.name)
            assert own is not None
            tables = list(shared_tables.shared_tables(own.tags))
            content = rng.randbytes(rng.choice((0, 40)))
            write_files(proxy.uri, own.artifact_uri, own.run_id, {rng.choice(tables).file: content})
        elif what == "share":
            share(sweep, proxy.uri)
        slow = slowly(sweep, proxy.uri, monkeypatch)
        same(everything(sweep, proxy.uri), slow)


def test_a_database_holds_no_tables(sqlite: str, toys: SimpleNamespace, tmp_path: Path) -> None:
    sweep = recorded(toys, "direct", sqlite)
    assert share(sweep, sqlite) == 0
    assert not list(tmp_path.rglob("tables/*.parquet"))
