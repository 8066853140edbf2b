"""A worker has its run written by the launch of its machine: also where one of the two ends, or is not understood.

What becomes of runs is tested in test_recorder.py, in both ways.
"""

import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Client
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from skipray import tracking
from skipray.scheduling.ray.attempt import TrialAttempt, WorkerContext
from skipray.spec import SweepSpec, TrialSpec, load_sweep
from skipray.storage import Lease, TrialPlace, awaiting_delivery
from skipray.tracking.write import recorder, run_server

ROOT = Path(__file__).resolve().parents[2]


def recorded(server: tracking.RunServer, sweep: SweepSpec, trial: TrialSpec, uri: str) -> tracking.Recorder:
    place = TrialPlace(tracking.storage_url(sweep, uri), sweep.name, trial.trial_id)
    return tracking.Recorder(tracking.prepare(sweep, uri), trial, place.acquire(), through=server.place)


def runs(uri: str, name: str = "toy") -> list[Any]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], "tags.`skipray.kind` = 'trial'"))


def test_a_result_waits_where_the_launch_is_gone(sqlite: str, toys: SimpleNamespace, tmp_path: Path) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    server = tracking.RunServer(tmp_path)
    made = recorded(server, sweep, trial, sqlite)
    server.end()
    assert made.start() is True, "a trial is run all the same"
    assert made.finish(toys.record(trial)) is False
    storage = tracking.storage_url(sweep, sqlite)
    assert awaiting_delivery(storage, sweep.name) == [trial.trial_id]
    assert tracking.deliver_pending(made.address, sweep.trials(), storage).delivered == (trial.trial_id,)


def test_what_the_launch_did_without_an_answer_is_not_done_twice(
    sqlite: str, toys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "PAUSE_SECONDS", 0.0)
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    server = tracking.RunServer(tmp_path)
    made = recorded(server, sweep, trial, sqlite)
    answer = run_server._done

    def lost(*arguments: Any) -> Any:
        answer(*arguments)
        raise OSError("the connection is cut")

    monkeypatch.setattr(run_server, "_done", lost)
    assert made.start() is True
    assert made.run_id is None, "no answer has told it"
    monkeypatch.setattr(run_server, "_done", answer)
    assert made.finish(toys.record(trial)) is True
    (run,) = runs(sqlite)
    assert (run.info.run_id, run.info.status) == (made.run_id, "FINISHED")
    server.end()


def test_an_answer_that_comes_too_late_is_none_to_the_next_question(
    sqlite: str, toys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    server = tracking.RunServer(tmp_path)
    made = recorded(server, sweep, trial, sqlite)
    receive = run_server.Connection.recv

    def interrupted(self: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            raise MemoryError
        return receive(self)

    with monkeypatch.context() as patch:
        patch.setattr(run_server.Connection, "recv", interrupted)
        with pytest.raises(MemoryError):
            made.start()
    assert made.finish(toys.record(trial)) is True
    (run,) = runs(sqlite)
    assert (run.info.run_id, run.info.status) == (made.run_id, "FINISHED")
    server.end()


def test_a_step_whose_worker_has_died_is_over_before_the_next_attempt_looks(
    sqlite: str, toys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    server = tracking.RunServer(tmp_path)
    first, writes, goes_on = recorded(server, sweep, trial, sqlite), threading.Event(), threading.Event()
    create = MlflowClient.create_run

    def slowly(*arguments: Any, **named: Any) -> Any:
        writes.set()
        assert goes_on.wait(30)
        return create(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "create_run", slowly)
    died = threading.Thread(target=first.start, daemon=True)
    died.start()
    assert writes.wait(30)
    second = recorded(server, sweep, trial, sqlite)  # has the trial now
    monkeypatch.setattr(MlflowClient, "create_run", create)
    began = threading.Thread(target=second.start, daemon=True)
    began.start()
    began.join(0.3)
    assert began.is_alive()
    goes_on.set()
    began.join(30)
    died.join(30)
    assert len(runs(sqlite)) == 1
    assert second.run_id == runs(sqlite)[0].info.run_id
    server.end()


@pytest.mark.parametrize("said", [b"", b"nothing", b"csomewhere\nof_another\n."])
def test_who_is_not_understood_gets_no_answer_and_costs_nobody_else_one(
    said: bytes, sqlite: str, toys: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = toys.sweep()
    server = tracking.RunServer(tmp_path)
    with caplog.at_level(logging.WARNING), Client(server.place, run_server.FAMILY) as strange:
        strange.send_bytes(said)
        with pytest.raises((EOFError, OSError)):
            strange.recv()
    trial = sweep.trials()[0]
    made = recorded(server, sweep, trial, sqlite)
    assert made.start() is True
    assert made.finish(toys.record(trial)) is True
    server.end()


@pytest.fixture
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Before the first run is told its data `reached` is set, and `goes_on` waited for."""
    reached, goes_on, first = threading.Event(), threading.Event(), threading.Lock()
    tell = MlflowClient.log_inputs

    def slowly(*arguments: Any, **named: Any) -> Any:
        if first.acquire(blocking=False):
            reached.set()
            assert goes_on.wait(30)
        return tell(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_inputs", slowly)
    yield SimpleNamespace(reached=reached, goes_on=goes_on)
    goes_on.set()


def test_a_worker_goes_on_while_its_result_is_written(
    sqlite: str, toys: SimpleNamespace, tmp_path: Path, held_up: SimpleNamespace
) -> None:
    sweep = toys.sweep()
    first, second = sweep.trials()[:2]
    storage = tracking.storage_url(sweep, sqlite)
    server = tracking.RunServer(tmp_path, ahead=1)
    made = recorded(server, sweep, first, sqlite)
    assert made.start() is True
    assert made.finish(toys.record(first)) is True
    assert held_up.reached.wait(30)
    assert server.in_hand == {first.trial_id}
    assert awaiting_delivery(storage, sweep.name) == [first.trial_id], "where it waits if the launch is killed"
    assert server.drain(0.01) is False
    assert server.in_hand == {first.trial_id}
    assert recorded(server, sweep, second, sqlite).finish(toys.record(second)) is True
    assert server.in_hand == {first.trial_id}, "no more than one"
    assert sorted(run.info.status for run in runs(sqlite)) == ["FINISHED", "RUNNING"]
    held_up.goes_on.set()
    assert server.drain(30) is True
    assert server.in_hand == frozenset()
    assert sorted(run.info.status for run in runs(sqlite)) == ["FINISHED", "FINISHED"]
    assert awaiting_delivery(storage, sweep.name) == []
    server.end()


def test_large_results_are_waited_for(
    sqlite: str, toys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_server, "BYTES_IN_HAND", 10)
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    server = tracking.RunServer(tmp_path, ahead=4)
    assert recorded(server, sweep, trial, sqlite).finish(toys.record(trial)) is True
    assert server.in_hand == frozenset()
    assert [run.info.status for run in runs(sqlite)] == ["FINISHED"]
    server.end()


def test_what_no_storage_has_is_not_left_to_the_launch(
    sqlite: str, toys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left on the device")

    sweep = toys.sweep()
    trial = sweep.trials()[0]
    server = tracking.RunServer(tmp_path, ahead=4)
    made = recorded(server, sweep, trial, sqlite)
    monkeypatch.setattr(Lease, "save_result", full)
    monkeypatch.setattr(run_server.RunServer, "_takes", lambda *_: pytest.fail("it is taken"))
    assert made.finish(toys.record(trial)) is True
    assert [run.info.status for run in runs(sqlite)] == ["FINISHED"]
    server.end()


def test_what_is_refused_while_it_is_in_hand_fails_waits_and_ends_the_going_on(
    sqlite: str, toys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toys.sweep()
    first, second = sweep.trials()[:2]
    server = tracking.RunServer(tmp_path, ahead=4)
    made, other = (recorded(server, sweep, trial, sqlite) for trial in (first, second))
    with monkeypatch.context() as patch:
        patch.setattr(run_server.TrialRun, "_log_dataset", refusing)
        assert made.finish(toys.record(first)) is True
        assert server.drain(30) is True
        storage = tracking.storage_url(sweep, sqlite)
        offered = tracking.deliver_pending(made.address, sweep.trials(), storage)
        assert offered.refused == ((first.trial_id, "too large"),)
        (run,) = runs(sqlite)
        assert run.info.status == "FAILED"
        assert run.data.tags["skipray.failure.message"] == "too large"
        with pytest.raises(tracking.TrackingRefused, match="too large"):
            other.finish(toys.record(second))
    done = tracking.deliver_pending(made.address, sweep.trials(), storage)
    assert sorted(done.delivered) == sorted([first.trial_id, second.trial_id])
    assert [run.info.status for run in runs(sqlite)] == ["FINISHED", "FINISHED"]
    server.end()


def refusing(*_: Any) -> None:
    raise tracking.TrackingRefused("too large")


def test_a_newer_attempt_ends_what_is_in_hand(
    sqlite: str, toys: SimpleNamespace, tmp_path: Path, held_up: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = toys.sweep()
    trial = sweep.trials()[0]
    server = tracking.RunServer(tmp_path, ahead=4)
    made = recorded(server, sweep, trial, sqlite)
    assert made.finish(toys.record(trial)) is True
    assert held_up.reached.wait(30)
    assert server.in_hand == {trial.trial_id}
    storage = tracking.storage_url(sweep, sqlite)
    assert tracking.deliver_pending(made.address, sweep.trials(), storage).delivered == (trial.trial_id,)
    with caplog.at_level(logging.INFO, run_server.__name__):
        held_up.goes_on.set()
        assert server.drain(30) is True
    assert "waits in the storage" in caplog.text, "whose hand it was has not ended the run"
    assert [run.info.status for run in runs(sqlite)] == ["FINISHED"]
    assert awaiting_delivery(storage, sweep.name) == []
    server.end()


WITHOUT_MLFLOW = """\
import pickle, sys
sys.modules["mlflow"] = None
attempt = pickle.loads(open("attempt", "rb").read())
from skipray.scheduling.ray.run_attempt import run_attempt
result = run_attempt(attempt, lambda: None)
assert result.status == "finished", result
"""


def test_a_worker_runs_a_whole_trial_without_mlflow(empty_database: Path, tmp_path: Path) -> None:
    """And without what only torch can read in what it says."""
    import pickle

    sweep = load_sweep(ROOT / "sweeps" / "quickstart.yaml", ["seeds=[0]", "factors.depth=[8]", "recipe.epochs=1"])
    uri = f"sqlite:///{tmp_path}/skipray.db"
    shutil.copy(empty_database, tmp_path / "skipray.db")
    address, server = tracking.prepare(sweep, uri), tracking.RunServer(tmp_path)
    context = WorkerContext(address, tracking.storage_url(sweep, uri), runs=server.place)
    trial = sweep.trials()[0]
    attempt = TrialAttempt(trial, 1, 1, 1.0, 0.0, context, execute=len)  # type: ignore[arg-type]
    (tmp_path / "attempt").write_bytes(pickle.dumps(attempt))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MLFLOW],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (run,) = runs(uri, sweep.name)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["train.accuracy"] > 0
    server.end()
