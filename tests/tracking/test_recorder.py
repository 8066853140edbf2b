"""What a worker leaves in MLflow, also when attempts die and the store is away."""

import dataclasses
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from skipray import tracking
from skipray.records import EpochRecord
from skipray.spec import TrialSpec
from skipray.storage import Failure, Fenced, TrialPlace, awaiting_delivery, layers_from_parquet
from skipray.tracking.several import several
from skipray.tracking.write import recorder as recorder_module
from skipray.tracking.write.run_server import RemoteRun

ATTRIBUTES = ("kind", "sweep", "trial_id", "architecture", "depth", "seed", "phase", "attempt", "outcome", "version")


@pytest.fixture(autouse=True, params=["by the worker", "by the launch"])
def written(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A worker writes its run, or has it written by the launch of its machine. Part of a name, on a shared server."""
    name = request.param.replace(" ", "-")
    if request.param == "by the worker":
        yield name
        return
    server = tracking.RunServer(tmp_path)

    def remote(address: tracking.Address, trial: TrialSpec, *, attempt: int, guard: Any, **known: Any) -> RemoteRun:
        return RemoteRun(server.place, address, trial, guard.__self__, **known)

    monkeypatch.setattr(recorder_module, "TrialRun", remote)
    yield name
    server.end()


def children(uri: str, name: str = "toy") -> list[Any]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], "tags.`skipray.kind` = 'trial'"))


def attempt(address: tracking.Address, sweep: Any, trial: Any) -> tracking.Recorder:
    place = TrialPlace(tracking.storage_url(sweep, address.uri), sweep.name, trial.trial_id)
    return tracking.Recorder(address, trial, place.acquire())


def test_a_finished_trial_follows_the_schema(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[1]
    made = toys.record_one(sweep, trial, sqlite)
    record = toys.record(trial)
    client = MlflowClient(sqlite)
    (run,) = children(sqlite)
    assert run.info.run_id == made.run_id
    assert run.info.status == "FINISHED"
    assert run.info.run_name == trial.label
    parents = client.search_runs([run.info.experiment_id], "tags.`skipray.kind` = 'sweep'")
    assert [p.info.run_id for p in parents] == [run.data.tags["mlflow.parentRunId"]]
    assert {f"skipray.{a}" for a in ATTRIBUTES} <= set(run.data.tags)
    assert run.data.tags["skipray.trial_id"] == trial.trial_id
    assert run.data.params == {k: str(v) for k, v in trial.flat().items()}
    assert run.inputs.dataset_inputs[0].dataset.name == "digits"
    for key, value in record.epochs[-1].metrics.items():
        assert run.data.metrics[key] == value
        history = client.get_metric_history(run.info.run_id, key)
        assert [(m.step, m.timestamp, m.value) for m in history] == [
            (e.epoch, e.time_ms, e.metrics[key]) for e in record.epochs
        ]
    profile = client.get_metric_history(run.info.run_id, "profile.hidden.log10_condition")
    assert [(m.step, m.value) for m in profile] == list(
        zip((0, 2), record.profiles["profile.hidden.log10_condition"], strict=True)
    )
    assert run.data.metrics["time.train_seconds"] == 1.25
    files = {f.path: f for f in client.list_artifacts(run.info.run_id)}
    assert set(files) == {"layers.parquet", "spectra.npz", "weights.safetensors"}
    with open(client.download_artifacts(run.info.run_id, "layers.parquet"), "rb") as file:  # noqa: PTH123
        layers = layers_from_parquet(file.read())
    np.testing.assert_array_equal(layers["value"], record.layers["value"])
    with np.load(client.download_artifacts(run.info.run_id, "spectra.npz"), allow_pickle=False) as spectra:
        assert set(spectra.files) == set(record.spectra)


def test_a_finished_trial_leaves_nothing_in_the_storage(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    toys.record_one(sweep, sweep.trials()[0], sqlite)
    assert awaiting_delivery(tracking.storage_url(sweep, sqlite), "toy") == []


def test_values_that_are_not_finite_are_never_sent(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    record = toys.record(trial)
    last = record.epochs[-1]
    bad = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1.7976931348623157e308}
    epochs = (*record.epochs[:-1], EpochRecord(last.epoch, last.time_ms, last.metrics | bad))
    profiles = {"profile.x": (1.0, math.inf, 2.0)}
    record = dataclasses.replace(record, epochs=epochs, profiles=profiles, profile_layers={"profile.x": (0, 1, 2)})
    made = attempt(tracking.prepare(sweep, sqlite), sweep, trial)
    assert made.finish(record)
    (run,) = children(sqlite)
    assert not set(bad) & set(run.data.metrics)
    assert all(math.isfinite(v) and abs(v) < 1e300 for v in run.data.metrics.values())
    history = MlflowClient(sqlite).get_metric_history(run.info.run_id, "profile.x")
    assert [(m.step, m.value) for m in history] == [(0, 1.0), (2, 2.0)]


def test_a_resumed_attempt_goes_on_in_the_same_run_and_repeats_nothing(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    record = toys.record(trial)
    address = tracking.prepare(sweep, sqlite)
    first = attempt(address, sweep, trial)
    first.start()
    first.epochs(record.epochs[:2])
    second = attempt(address, sweep, trial)  # resumes from the checkpoint, which keeps the times
    second.start()
    second.epochs(record.epochs[:2])
    assert second.finish(record)
    assert second.run_id == first.run_id
    (run,) = children(sqlite)
    assert run.data.tags["skipray.attempt"] == "2"
    history = MlflowClient(sqlite).get_metric_history(run.info.run_id, "train.loss")
    assert [m.step for m in history] == [0, 1, 2]


@pytest.mark.parametrize("sent", [1, 2])
def test_a_lost_checkpoint_gives_the_trial_a_new_run(sqlite: str, toys: SimpleNamespace, sent: int) -> None:
    """The first attempt's epochs cannot be told apart from the second's by time: going on would repeat their steps."""
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    address = tracking.prepare(sweep, sqlite)
    first = attempt(address, sweep, trial)
    first.start()
    first.epochs(toys.record(trial).epochs[:sent])
    second = attempt(address, sweep, trial)
    second.start()
    assert second.finish(toys.record(trial, time_ms=1_800_000_000_000))
    (run,) = children(sqlite)
    assert run.info.run_id != first.run_id
    history = MlflowClient(sqlite).get_metric_history(run.info.run_id, "train.loss")
    assert [m.step for m in history] == [0, 1, 2]


def test_a_damaged_checkpoint_repeats_no_point(sqlite: str, toys: SimpleNamespace) -> None:
    """An older checkpoint is used, and epochs that were sent already come again with other times. As in a real trial,
    the probe's keys, of which there are several, come with the first and the last epoch only."""
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    address = tracking.prepare(sweep, sqlite)

    def epochs(last: int, since: int) -> list[EpochRecord]:
        probed = {"hidden.log10_condition.last": 1.0, "hidden.log10_condition.max": 2.0}
        return [
            EpochRecord(
                e, since + e, {"train.accuracy": e / 9, "train.loss": 1 / (e + 1), **(probed if e == 0 else {})}
            )
            for e in range(last + 1)
        ]

    first = attempt(address, sweep, trial)
    first.start()
    first.epochs(epochs(5, since=1_000))
    second = attempt(address, sweep, trial)
    second.start()
    kept = epochs(3, since=1_000)
    second.epochs(kept)
    anew = [*kept, *epochs(7, since=9_000)[4:]]
    second.epochs(anew[4:])
    second.finish(dataclasses.replace(toys.record(trial), epochs=tuple(anew)))
    (run,) = children(sqlite)
    for key in ("train.accuracy", "train.loss"):
        history = MlflowClient(sqlite).get_metric_history(run.info.run_id, key)
        assert [(m.step, m.timestamp) for m in history] == [(e.epoch, e.time_ms) for e in anew]


def test_an_attempt_that_was_overtaken_writes_no_more(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    address = tracking.prepare(sweep, sqlite)
    old = attempt(address, sweep, trial)
    old.start()
    new = attempt(address, sweep, trial)
    with pytest.raises(Fenced):
        old.epochs(toys.record(trial).epochs[:1])
    with pytest.raises(Fenced):
        old.finish(toys.record(trial))
    new.start()
    assert new.finish(toys.record(trial))
    with pytest.raises(Fenced):
        old.finish(toys.record(trial))  # the trial's folder is gone by now
    (run,) = children(sqlite)
    assert MlflowClient(sqlite).get_metric_history(run.info.run_id, "train.loss")[-1].step == 2


def test_a_trial_that_is_finished_is_not_run_again(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    done = toys.record_one(sweep, trial, sqlite)
    again = tracking.Recorder(
        tracking.prepare(sweep, sqlite),
        trial,
        TrialPlace(tracking.storage_url(sweep, sqlite), "toy", trial.trial_id).acquire(),
        run_id=done.run_id,
    )
    assert again.start() is False
    assert len(children(sqlite)) == 1


def test_a_failure_keeps_its_traceback_and_the_next_attempt_clears_it(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    address = tracking.prepare(sweep, sqlite)
    failing = attempt(address, sweep, trial)
    failing.start()
    failing.epochs(toys.record(trial).epochs[:1])
    text = "Traceback (most recent call last):\n  ...\nZeroDivisionError: at https://joe:hunter2@host/\n"
    assert failing.fail(Failure("error", "ZeroDivisionError: api_token=hunter2", text, int(time.time() * 1000)))
    (run,) = children(sqlite)
    client = MlflowClient(sqlite)
    assert run.info.status == "FAILED"
    assert run.data.tags["skipray.outcome"] == "failed"
    assert run.data.tags["skipray.failure.class"] == "error"
    path = client.download_artifacts(run.info.run_id, "failures/attempt-001.txt")
    with open(path) as file:  # noqa: PTH123
        written = file.read()
    assert "ZeroDivisionError" in written
    assert "hunter2" not in written + json.dumps(run.data.tags)
    again = attempt(address, sweep, trial)
    again.start()
    assert again.finish(toys.record(trial))
    (run,) = children(sqlite)
    assert (run.info.status, run.data.tags["skipray.outcome"]) == ("FINISHED", "trained")
    assert not [t for t in run.data.tags if t.startswith("skipray.failure")]


def test_a_run_deleted_by_hand_in_mid_trial_is_made_again(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    made = attempt(tracking.prepare(sweep, sqlite), sweep, trial)
    made.start()
    made.epochs(toys.record(trial).epochs[:1])
    MlflowClient(sqlite).delete_run(str(made.run_id))
    assert made.finish(toys.record(trial))
    (run,) = children(sqlite)
    assert [m.step for m in MlflowClient(sqlite).get_metric_history(run.info.run_id, "train.loss")] == [0, 1, 2]


def test_over_http_a_trial_takes_at_most_ten_requests(proxy: Any, toys: SimpleNamespace, written: str) -> None:
    sweep = toys.sweep(f"requests-{written}")
    trial = sweep.trials()[0]
    made = attempt(tracking.prepare(sweep, proxy.uri), sweep, trial)
    proxy.requests.clear()
    made.start()
    assert made.finish(toys.record(trial))
    assert len(proxy.requests) <= 10, proxy.requests
    (run,) = children(proxy.uri, f"requests-{written}")
    assert run.info.status == "FINISHED"
    files = MlflowClient(proxy.uri).list_artifacts(run.info.run_id)
    assert {f.path for f in files} == {"layers.parquet", "spectra.npz", "weights.safetensors"}


@pytest.mark.parametrize("fault", ["500", "403", "drop"])
def test_while_the_server_is_away_results_wait_and_are_delivered_once(
    proxy: Any,
    toys: SimpleNamespace,
    fault: str,
    written: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("skipray.tracking.client.RETRY_SECONDS_HTTP", (0.05,))
    monkeypatch.setattr(
        recorder_module, "PAUSE_SECONDS", 0.0
    )  # each is tried, and what was found said once all the same
    name = f"away-{fault}-{written}"
    sweep = toys.sweep(name, depths=(8,))
    address = tracking.prepare(sweep, proxy.uri)
    storage = tracking.storage_url(sweep, proxy.uri)
    trials = sweep.trials()
    running = attempt(address, sweep, trials[0])
    running.start()
    proxy.fault = fault
    started = time.monotonic()
    running.epochs(toys.record(trials[0]).epochs[:1])  # neither raises nor waits
    assert running.finish(toys.record(trials[0])) is False
    other = attempt(address, sweep, trials[1])  # begins during the outage
    assert other.start() is True
    assert other.finish(toys.record(trials[1])) is False
    failed = attempt(address, sweep, trials[2])
    assert failed.fail(Failure("error", "boom", "trace", 1_700_000_000_000)) is False
    assert time.monotonic() - started < 5
    pending = tracking.deliver_pending(address, trials, storage)
    assert pending.delivered == ()
    assert set(pending.left) == {t.trial_id for t in trials[:3]}
    assert pending.away
    said = [r.getMessage() for r in caplog.records if "away" in r.getMessage()]
    assert [text.startswith("the tracking store is away; trials go on") for text in said] == [True], said
    proxy.fault = None
    pending = tracking.deliver_pending(address, trials, storage)
    assert set(pending.delivered) == {t.trial_id for t in trials[:3]}
    assert tracking.deliver_pending(address, trials, storage).delivered == ()
    assert {r.data.tags["skipray.trial_id"]: r.info.status for r in children(proxy.uri, name)} == {
        trials[0].trial_id: "FINISHED",
        trials[1].trial_id: "FINISHED",
        trials[2].trial_id: "FAILED",
    }
    assert len(children(proxy.uri, name)) == 3
    for run in children(proxy.uri, name)[:2]:
        history = MlflowClient(proxy.uri).get_metric_history(run.info.run_id, "train.loss")
        assert len({m.step for m in history}) == len(history)
    assert attempt(address, sweep, trials[3]).start()
    assert "the tracking store answers again after" in caplog.text


def test_a_create_whose_answer_was_lost_makes_no_second_run(
    proxy: Any, toys: SimpleNamespace, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skipray.tracking.client.RETRY_SECONDS_HTTP", (0.05,))
    monkeypatch.setattr(recorder_module, "PAUSE_SECONDS", 0.0)
    sweep = toys.sweep(f"lost-answer-{written}")
    trial = sweep.trials()[0]
    address = tracking.prepare(sweep, proxy.uri)
    made = attempt(address, sweep, trial)
    proxy.fault = "late"
    made.start()
    proxy.fault = None
    assert made.finish(toys.record(trial))
    assert [r.info.status for r in children(proxy.uri, f"lost-answer-{written}")] == ["FINISHED"]


def test_a_slow_server_only_takes_time(proxy: Any, toys: SimpleNamespace, written: str) -> None:
    sweep = toys.sweep(f"slow-{written}")
    trial = sweep.trials()[0]
    made = attempt(tracking.prepare(sweep, proxy.uri), sweep, trial)
    made.start()
    proxy.fault = "slow"
    made.epochs(toys.record(trial).epochs[:1])
    proxy.fault = None
    assert made.finish(toys.record(trial))


def test_storage_that_takes_no_result_does_not_lose_it(
    sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    made = attempt(tracking.prepare(sweep, sqlite), sweep, trial)
    made.start()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skipray.storage.folder.LocalFolder.write", full)
    assert made.finish(toys.record(trial)) is True
    assert [r.info.status for r in children(sqlite)] == ["FINISHED"]


def test_what_waits_is_delivered_side_by_side_and_ends_at_ctrl_c() -> None:
    begun: list[str] = []
    at_once: list[int] = []
    busy: set[str] = set()

    def deliver(trial_id: str) -> None:
        begun.append(trial_id)
        busy.add(trial_id)
        time.sleep(0.1)
        at_once.append(len(busy))
        busy.discard(trial_id)
        if trial_id == "8":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(several(deliver, [str(n) for n in range(100)], at_once=4))
    assert max(at_once) == 4
    assert len(begun) < 50, "those that wait are not begun any more"
