"""Histograms read back: in the sweep's order, once per run, and from a later measurement where the run has none."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from skipray import tracking
from skipray.execution.measuring import covers
from skipray.records import HISTOGRAM_COLUMNS, Bins, Histogram
from skipray.spec import ProbeSpec
from skipray.storage import TrialPlace
from skipray.tracking.read import artifacts


def made(epoch: int, seed: int) -> Histogram:
    return Histogram(epoch, "stem", 0, "hidden", Bins((0.0, 0.0), (0.0, 1.0 + seed), (3, 4 + epoch)))


def record(toys: SimpleNamespace, sweep: Any, trial: Any, uri: str, *epochs: int) -> str:
    """A run with histograms of these epochs; its id."""
    recorder = tracking.Recorder(
        tracking.prepare(sweep, uri),
        trial,
        TrialPlace(tracking.storage_url(sweep, uri), sweep.name, trial.trial_id).acquire(),
    )
    recorder.start()
    found = tuple(made(e, trial.seed) for e in epochs)
    recorder.finish(dataclasses.replace(toys.record(trial), histograms=found))
    return tracking.winning_runs(sweep, uri)[trial.trial_id]


def test_first_and_last_epoch_in_the_sweeps_order_and_read_once(
    sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toys.sweep(depths=(8,))
    trials = sweep.trials()
    for trial in reversed(trials[1:]):
        record(toys, sweep, trial, sqlite, 0, 1, 2)
    toys.record_one(sweep, trials[0], sqlite)  # as one from before there were histograms
    found = tracking.read_histograms(sweep, sqlite)
    assert list(found.columns) == ["trial_id", *HISTOGRAM_COLUMNS]
    assert list(dict.fromkeys(found["trial_id"])) == [t.trial_id for t in trials[1:]]
    mine = found[found["trial_id"] == trials[1].trial_id]
    assert mine["epoch"].tolist() == [0, 0, 2, 2]
    assert mine["count"].tolist() == [3, 4, 3, 6]
    assert mine["high"].tolist() == [0.0, 1.0 + trials[1].seed] * 2
    monkeypatch.setattr(artifacts, "read_file", lambda *a: pytest.fail("read again"))
    again = tracking.read_histograms(sweep, sqlite)
    pd.testing.assert_frame_equal(again, found, check_categorical=False)


def test_a_measurement_gives_a_run_from_before_its_last_epoch(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep(depths=(8,))
    trial = sweep.trials()[0]
    toys.record_one(sweep, trial, sqlite)
    assert tracking.read_histograms(sweep, sqlite).empty
    run = tracking.finished_run(sqlite, tracking.winning_runs(sweep, sqlite)[trial.trial_id])
    measured = tracking.Measured(settings={}, layers=toys.record(trial).layers, histograms=(made(2, 0),))
    tracking.add_measurement(sqlite, run, "abcd1234", measured)
    assert tracking.read_histograms(sweep, sqlite)["epoch"].tolist() == [2, 2], "the cache knows that the run has more"


def test_what_a_run_measured_itself_stays(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep(depths=(8,))
    trial = sweep.trials()[0]
    run = tracking.finished_run(sqlite, record(toys, sweep, trial, sqlite, 0, 2))
    other = tracking.Measured(settings={}, layers=toys.record(trial).layers, histograms=(made(2, 9),))
    tracking.add_measurement(sqlite, run, "abcd1234", other)
    assert tracking.read_histograms(sweep, sqlite)["high"].max() == 1.0 + trial.seed


def test_runs_from_before_there_were_histograms_can_be_measured() -> None:
    old = '{"preset": "full", "samples": 256, "gradients": true, "hessian": true, "jacobian": true}'
    assert not covers(old, ProbeSpec())
    assert covers(old, ProbeSpec(histograms=False))
    assert covers(ProbeSpec().model_dump_json(), ProbeSpec())


def test_the_doctor_sees_a_damaged_file(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep(depths=(8,))
    run_id = record(toys, sweep, sweep.trials()[0], sqlite, 0, 2)
    assert tracking.examine(sweep, sqlite) == []
    file = next(Path(tracking.store_folder(sqlite)).rglob(f"{run_id}/**/histograms.parquet"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    said = f"histograms.parquet is truncated ({len(whole) - 20} bytes of {len(whole)})"
    assert [(f.kind, f.what) for f in tracking.examine(sweep, sqlite)] == [("truncated", said)]
