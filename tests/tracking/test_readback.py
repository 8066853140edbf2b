"""Runs read back as tables: of the sweep's trials alone, one row each, the same from SQL and over HTTP."""

import shutil
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from skipray import tracking
from skipray.storage import Failure, SweepLease, TrialPlace
from skipray.tracking import several
from skipray.tracking.checksums import read_checksums
from skipray.tracking.read import ledger, measured


def run_all(toys: SimpleNamespace, sweep: Any, uri: str, **changes: int) -> None:
    for trial in sweep.trials():
        toys.record_one(sweep, trial, uri, **changes)


def test_one_row_a_trial_in_the_sweeps_order(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    for trial in reversed(sweep.trials()):
        toys.record_one(sweep, trial, sqlite)
    table = tracking.read_trials(sweep, sqlite)
    trials = sweep.trials()
    assert table["trial_id"].tolist() == [t.trial_id for t in trials]
    assert table["architecture"].tolist() == [t.model.architecture for t in trials]
    assert table["depth"].tolist() == [t.model.depth for t in trials]
    assert table["seed"].tolist() == [t.seed for t in trials]
    assert set(table["model.width"]) == {64}
    assert set(table["recipe.learning_rate"]) == {0.1}
    assert set(table["probe.samples"]) == {256}
    assert set(table["outcome"]) == {"trained"}
    assert set(table["time.train_seconds"]) == {1.25}
    for trial, row in zip(trials, table.to_dict("records"), strict=True):
        for key, value in toys.record(trial).epochs[-1].metrics.items():
            assert row[key] == value
    assert not [c for c in table.columns if c.startswith("profile.") or "run_id" in c or "host" in c]


def test_a_factor_keeps_its_column_where_a_metric_has_its_name(sqlite: str, toys: SimpleNamespace) -> None:
    """`learning_rate`, of which the last epoch's is 0 in a cosine schedule whatever the sweep varies."""
    plain = toys.sweep(depths=(8,))
    run_all(toys, plain, sqlite)
    assert set(tracking.read_trials(plain, sqlite)["learning_rate"]) == {0.0}
    cells = tuple(replace(cell, factors=(*cell.factors, "learning_rate")) for cell in plain.cells)
    assert set(tracking.read_trials(replace(plain, cells=cells), sqlite)["learning_rate"]) == {0.1}


def test_values_depend_on_the_trial_alone(sqlite: str, toys: SimpleNamespace) -> None:
    """Another order, other times, other attempts, other runs beside: the same table."""
    name_free = toys.sweep("one"), toys.sweep("two")
    for trial in name_free[0].trials():
        toys.record_one(name_free[0], trial, sqlite)
    for trial in reversed(name_free[1].trials()):
        storage = tracking.storage_url(name_free[1], sqlite)
        TrialPlace(storage, "two", trial.trial_id).acquire()
        toys.record_one(name_free[1], trial, sqlite, time_ms=1_800_000_000_000)
    one, two = (tracking.read_trials(s, sqlite) for s in name_free)
    assert two["attempt"].tolist() == [2] * len(two)
    pd.testing.assert_frame_equal(one.drop(columns="attempt"), two.drop(columns="attempt"))


def test_only_the_sweeps_own_trials_are_read(sqlite: str, toys: SimpleNamespace) -> None:
    run_all(toys, toys.sweep(depths=(8, 14)), sqlite)
    run_all(toys, toys.sweep(depths=(8,), learning_rate=0.5), sqlite)
    fewer = toys.sweep(depths=(8,))
    assert set(tracking.read_trials(fewer, sqlite)["depth"]) == {8}
    assert len(tracking.read_trials(fewer, sqlite)) == 4
    more = toys.sweep(depths=(8, 14, 20))
    assert len(tracking.read_trials(more, sqlite)) == 8
    assert sum(s == "finished" for s in tracking.states(more, sqlite).values()) == 8


def test_the_first_to_finish_wins(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    first = toys.record_one(sweep, trial, sqlite)
    client = MlflowClient(sqlite)
    run = client.get_run(str(first.run_id))
    copy = client.create_run(run.info.experiment_id, tags=run.data.tags)
    client.log_metric(copy.info.run_id, "train.loss", 99.0, step=2)
    client.set_terminated(copy.info.run_id, "FINISHED", run.info.end_time + 1)
    assert tracking.winning_runs(sweep, sqlite) == {trial.trial_id: first.run_id}
    assert len(tracking.read_trials(sweep, sqlite)) == 1
    client.delete_run(str(first.run_id))
    assert tracking.winning_runs(sweep, sqlite) == {trial.trial_id: copy.info.run_id}


def test_a_metric_that_is_absent_at_the_last_epoch_is_absent(sqlite: str, toys: SimpleNamespace) -> None:
    """The store's `latest` value of such a key is that of an earlier epoch."""
    sweep = toys.sweep()
    made = toys.record_one(sweep, sweep.trials()[0], sqlite)
    MlflowClient(sqlite).log_batch(str(made.run_id), metrics=[Metric("gap.accuracy", 0.3, 1_700_000_001_000, 1)])
    table = tracking.read_trials(sweep, sqlite)
    assert table["gap.accuracy"].isna().all()
    with pytest.raises(ValueError, match=r"found the metric 'gap.acuracy' \(did you mean gap.accuracy\?\)"):
        tracking.read_histories(sweep, sqlite, metrics=["gap.acuracy"])
    history = tracking.read_histories(sweep, sqlite, metrics=["gap.accuracy"])
    assert history[["epoch", "value"]].to_numpy().tolist() == [[1, 0.3]]


def test_an_empty_place_gives_an_empty_table_and_creates_nothing(tmp_path: Any, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    assert tracking.exists(sweep) is False
    assert tracking.states(sweep) == {}
    table = tracking.read_trials(sweep)
    assert table.empty
    assert {"trial_id", "architecture", "depth", "seed", "outcome"} <= set(table.columns)
    assert list(tmp_path.iterdir()) == []


def test_histories_and_layers(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    run_all(toys, sweep, sqlite)
    history = tracking.read_histories(sweep, sqlite)
    layers = tracking.read_layers(sweep, sqlite)
    again = tracking.read_layers(sweep, sqlite)  # from the cache
    pd.testing.assert_frame_equal(again, layers)
    for trial in sweep.trials():
        record = toys.record(trial)
        mine = history[(history["trial_id"] == trial.trial_id) & (history["metric"] == "train.loss")]
        assert dict(zip(mine["epoch"], mine["value"], strict=True)) == {
            e.epoch: e.metrics["train.loss"] for e in record.epochs
        }
        rows = layers[layers["trial_id"] == trial.trial_id]
        expected = record.layers[record.layers["epoch"].isin([0, 2])]
        np.testing.assert_array_equal(rows["value"], expected["value"])
        assert rows["layer"].tolist() == expected["layer"].tolist()
    few = tracking.read_layers(sweep, sqlite, max_rows=1)
    assert set(few["trial_id"]) <= set(layers["trial_id"])


def test_finished_runs_are_read_once(sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "CACHE_FROM", 1)
    asked: list[int] = []
    reading = measured._read_sql

    def counted(uri: str, experiment: str, runs: Any) -> pd.DataFrame:
        asked.append(len(runs))
        return reading(uri, experiment, runs)

    monkeypatch.setattr(measured, "_read_sql", counted)
    small, large = toys.sweep(depths=(8,)), toys.sweep(depths=(8, 14))
    run_all(toys, small, sqlite)
    cold = tracking.read_trials(small, sqlite)
    pd.testing.assert_frame_equal(tracking.read_trials(small, sqlite), cold)
    for trial in large.trials()[2:4]:
        toys.record_one(large, trial, sqlite)
    grown = tracking.read_trials(large, sqlite)
    assert asked == [4, 2]
    assert len(grown) == 6
    runs = tracking.winning_runs(small, sqlite)
    MlflowClient(sqlite).delete_run(runs[small.trials()[0].trial_id])
    assert len(tracking.read_trials(small, sqlite)) == 3
    assert asked == [4, 2]
    for path in (measured.Cache(sqlite, "toy", "trials").folder).glob("*.parquet"):
        path.write_bytes(b"damaged")
    assert len(tracking.read_trials(small, sqlite)) == 3
    assert asked == [4, 2, 3]


def test_a_chunked_read_equals_a_whole_one(sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = toys.sweep()
    run_all(toys, sweep, sqlite)
    whole = tracking.read_trials(sweep, sqlite)
    monkeypatch.setattr(measured, "WHOLE_EXPERIMENT", 1e9)
    monkeypatch.setattr(measured, "CHUNK", 3)
    pd.testing.assert_frame_equal(tracking.read_trials(sweep, sqlite), whole)


def test_http_and_sql_read_the_same(sqlite: str, proxy: Any, toys: SimpleNamespace) -> None:
    sweep = toys.sweep("both")
    run_all(toys, sweep, sqlite)
    run_all(toys, sweep, proxy.uri)
    assert tracking.exists(sweep, proxy.uri)
    assert tracking.states(sweep, proxy.uri) == tracking.states(sweep, sqlite)
    pd.testing.assert_frame_equal(tracking.read_trials(sweep, proxy.uri), tracking.read_trials(sweep, sqlite))
    for read in (tracking.read_histories, tracking.read_layers):
        pd.testing.assert_frame_equal(read(sweep, proxy.uri), read(sweep, sqlite))


def test_over_http_finished_runs_pass_by_once(
    proxy: Any, sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toys.sweep("once")
    run_all(toys, sweep, proxy.uri)
    run_all(toys, sweep, sqlite)
    known = tracking.read_ledger(sweep, proxy.uri)
    monkeypatch.setattr(measured, "http_runs", lambda *a, **k: pytest.fail("the runs were there already"))
    table = tracking.read_trials(sweep, proxy.uri, ledger=known)
    pd.testing.assert_frame_equal(table, tracking.read_trials(sweep, sqlite))
    extra = toys.sweep("once", depths=(20,))
    toys.record_one(extra, extra.trials()[0], proxy.uri)
    assert len(tracking.read_trials(extra, proxy.uri)) == 1, "one that came later is kept too"


def test_a_verb_that_reads_looks_at_a_servers_runs_once(
    proxy: Any, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toys.sweep("looked-at")
    run_all(toys, sweep, proxy.uri)
    asked: list[str] = []
    real = ledger.http_runs
    monkeypatch.setattr(ledger, "http_runs", lambda *a, **k: [asked.append("once"), real(*a, **k)][1])
    with tracking.one_look():
        states = tracking.states(sweep, proxy.uri)
        assert tracking.read_ledger(sweep, proxy.uri).finished.keys() == states.keys()
        assert len(tracking.read_trials(sweep, proxy.uri)) == len(states)
    assert asked == ["once"]
    extra = toys.sweep("looked-at", depths=(20,))
    toys.record_one(extra, extra.trials()[0], proxy.uri)
    assert len(tracking.read_ledger(extra, proxy.uri).finished) == 1, "another look sees what came later"


def test_histories_over_http_are_whole_where_the_server_would_sample(
    proxy: Any, sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toys.sweep("bulk", depths=(8,))
    for uri in (proxy.uri, sqlite):
        run_all(toys, sweep, uri, epochs=7)
    said: list[str] = []
    monkeypatch.setattr(measured, "BULK_RUNS", 3)
    monkeypatch.setattr(measured, "BULK_VALUES", 5)
    found = tracking.read_histories(sweep, proxy.uri, metrics=("train.loss",), say=said.append)
    pd.testing.assert_frame_equal(found, tracking.read_histories(sweep, sqlite, metrics=("train.loss",)))
    assert len(found) == 8 * len(sweep.trials())
    assert said[0] == f"3 of {len(sweep.trials())} histories read"
    monkeypatch.setattr(measured, "WHOLE_VALUES", 20)  # fewer than three runs have: what there is is not all
    pd.testing.assert_frame_equal(tracking.read_histories(sweep, proxy.uri, metrics=("train.loss",)), found)
    monkeypatch.setattr(measured, "all_values_of_runs", lambda *_: None)  # a server that has no such answer
    pd.testing.assert_frame_equal(tracking.read_histories(sweep, proxy.uri, metrics=("train.loss",)), found)
    monkeypatch.setattr(measured, "values_of_runs", lambda *_: None)  # an MLflow that cannot ask for many at once
    pd.testing.assert_frame_equal(tracking.read_histories(sweep, proxy.uri, metrics=("train.loss",)), found)


def test_over_http_a_file_is_one_request_and_a_history_of_many_runs_too(proxy: Any, toys: SimpleNamespace) -> None:
    sweep = toys.sweep("few-requests")
    run_all(toys, sweep, proxy.uri)
    runs, keys, files = len(sweep.trials()), 6, 3
    known = tracking.read_ledger(sweep, proxy.uri)

    def asked(read: Any, **options: Any) -> int:
        before = len(proxy.requests)
        read(sweep, proxy.uri, **options)
        return len(proxy.requests) - before

    assert asked(tracking.read_layers, ledger=known) == runs
    assert asked(tracking.read_layers, ledger=known) == 0
    assert asked(tracking.read_histories, ledger=known) == keys
    assert {len(read_checksums(row.artifacts)) for row in known.finished.values()} == {files}
    before = len(proxy.requests)
    assert tracking.damaged(proxy.uri, known.finished.values(), thorough=True) == []
    assert len(proxy.requests) - before == runs * files


@pytest.mark.parametrize("fault", ["half", "empty", "html", "503", "drop"])
def test_a_bad_answer_is_no_damage_where_the_next_is_good(
    fault: str, proxy: Any, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several, "READS_AT_ONCE", 1)  # else all answers that one reader gets may be bad
    sweep = toys.sweep(f"bad-{fault}")
    run_all(toys, sweep, proxy.uri)
    known = tracking.read_ledger(sweep, proxy.uri)
    whole = tracking.read_layers(sweep, proxy.uri, ledger=known)
    proxy.fault, proxy.every = fault, 7
    assert tracking.damaged(proxy.uri, known.finished.values(), thorough=True) == []
    assert proxy.failed > 1
    shutil.rmtree(tracking.store_folder(proxy.uri) / "cache")
    pd.testing.assert_frame_equal(tracking.read_layers(sweep, proxy.uri, ledger=known), whole)


def test_states_tell_running_from_interrupted(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    done, failed, begun, untouched = sweep.trials()[:4]
    toys.record_one(sweep, done, sqlite)
    address = tracking.prepare(sweep, sqlite)
    storage = tracking.storage_url(sweep, sqlite)
    broken = tracking.Recorder(address, failed, TrialPlace(storage, "toy", failed.trial_id).acquire())
    broken.start()
    broken.fail(Failure("out_of_memory", "no room", "trace", 1_700_000_000_000))
    tracking.Recorder(address, begun, TrialPlace(storage, "toy", begun.trial_id).acquire()).start()
    expected = {done.trial_id: "finished", failed.trial_id: "failed"}
    assert tracking.states(sweep, sqlite) == expected
    with SweepLease(storage, "toy"):
        assert tracking.states(sweep, sqlite) == expected | {begun.trial_id: "running"}
    assert untouched.trial_id not in expected
    ledger = tracking.read_ledger(sweep, sqlite)
    row = ledger.failed[failed.trial_id]
    assert (row.failure_class, row.failure_message) == ("out_of_memory", "no room")
    assert ledger.run_id(begun.trial_id) == ledger.running[begun.trial_id].run_id


def test_a_finished_run_without_an_outcome_does_not_count(sqlite: str, toys: SimpleNamespace) -> None:
    """Ended by hand in mid-trial: its probe is not complete."""
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    address = tracking.prepare(sweep, sqlite)
    lease = TrialPlace(tracking.storage_url(sweep, sqlite), "toy", trial.trial_id).acquire()
    made = tracking.Recorder(address, trial, lease)
    made.start()
    MlflowClient(sqlite).set_terminated(str(made.run_id), "FINISHED")
    assert tracking.states(sweep, sqlite) == {}
