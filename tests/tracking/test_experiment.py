"""Addresses, the parent run, the doctor, and PostgreSQL."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS

from skipray import launch, tracking
from skipray.errors import InputRefused
from skipray.spec import load_sweep
from skipray.storage import TrialPlace, local_path
from skipray.tracking.checksums import read_checksums
from skipray.tracking.write import experiment, schema_lock

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://joe:s3cret@db/mlflow", "s3cret"),
        ("cannot reach https://joe:s3cret@host:5000/api: refused", "s3cret"),
        ("https://host/?access_token=s3cret&x=1", "s3cret"),
        ("AWS_SECRET_ACCESS_KEY=s3cret", "s3cret"),
        ("password: s3cret", "s3cret"),
        ("Authorization: Bearer abcdefghijk", "abcdefghijk"),
        ("postgresql://u:hunter/2secret@db/mlflow", "2secret"),
        ("http://u:p@ss@host/x", "ss@"),
        ("http://u:it's%2Fs3cret@host:5000/x", "s3cret"),
        ("{'password': 's3cret', 'user': 'joe'}", "s3cret"),
        ('{"api_key": "with a space: s3cret", "n": 1}', "s3cret"),
        ("token = 's3 cret'", "cret"),
    ],
)
def test_secrets_are_taken_out(text: str, secret: str) -> None:
    assert secret not in tracking.redact(text)
    assert tracking.redact("sqlite:////home/joe/skipray.db") == "sqlite:////home/joe/skipray.db"


def test_what_is_no_secret_stays() -> None:
    for text in (
        '{"token_similarity.max": 0.5, "question": "a@b"}',
        "see https://a.b/c and joe@x.org",
        "s3://bucket/x",
    ):
        assert tracking.redact(text) == text
    assert json.loads(tracking.redact('{"password": "x", "n": [1]}')) == {"password": "***", "n": [1]}


def test_secrets_of_the_environment_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2!")
    assert "hunter2!" not in tracking.redact("it said: hunter2! is wrong")


def test_the_address_is_found_in_the_designs_order(
    tmp_path: Path, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracking.resolve_uri() == f"sqlite:///{tmp_path}/skipray.db"
    sweep = toys.sweep(uri="http://from-the-sweep")
    assert tracking.resolve_uri(sweep) == "http://from-the-sweep"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://from-the-environment")
    assert tracking.resolve_uri(sweep) == "http://from-the-environment"
    assert tracking.resolve_uri(sweep, "sqlite:///x.db") == f"sqlite:///{tmp_path}/x.db"
    assert tracking.storage_url(toys.sweep(), "sqlite:///x.db") == str(tmp_path / "skipray-store" / "storage")


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns", "sqlite:///:memory:", "ftp://host"])
def test_addresses_that_cannot_work_are_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="allowed: sqlite:///FILE"):
        tracking.resolve_uri(None, uri)


def test_an_address_does_not_show_its_password() -> None:
    assert "s3cret" not in repr(tracking.Address("https://joe:s3cret@host", "1", "2", "x"))


def test_an_unreachable_store_is_said_without_its_password(
    toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skipray.tracking.client.RETRY_SECONDS_HTTP", ())
    monkeypatch.setattr("skipray.tracking.client.RETRY_SECONDS_SQL", ())
    for uri in ("http://joe:s3cret@127.0.0.1:9", "postgresql://joe:s3cret@127.0.0.1:9/x"):
        with pytest.raises(tracking.TrackingAway) as raised:
            tracking.exists(toys.sweep(), tracking.resolve_uri(None, uri))
        assert "s3cret" not in str(raised.value)
        assert raised.value.__suppress_context__


def test_of_two_at_once_both_have_one_run_though_the_first_is_slow(
    sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run is the older one by its start, and comes to the store after the other has looked."""
    create, begun = MlflowClient.create_run, threading.Event()

    def slowly(*arguments: Any, **named: Any) -> Any:
        now = int(1000 * time.time())
        if threading.current_thread() is first:
            begun.set()
            time.sleep(1.0)
        return create(*arguments, **named, start_time=now)

    monkeypatch.setattr(MlflowClient, "create_run", slowly)
    found: list[tracking.Address] = []
    first = threading.Thread(target=lambda: found.append(tracking.open_sweep(toys.sweep(), sqlite)))
    first.start()
    assert begun.wait(30)
    second = tracking.open_sweep(toys.sweep(), sqlite)
    first.join()
    assert found == [second]
    assert len(tracking.sweep_runs(sqlite, "toy")) == 1


def test_a_run_that_its_maker_never_made_is_made_by_the_next(
    sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "MAKER_SECONDS", 0.3)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tracking.open_sweep(toys.sweep(), sqlite)
    began = time.monotonic()
    tracking.open_sweep(toys.sweep(), sqlite)
    assert time.monotonic() - began > 0.3
    assert len(tracking.sweep_runs(sqlite, "toy")) == 1


def interrupted(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


def test_one_parent_a_sweep_with_what_is_needed_to_run_it_again(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    one, two = tracking.prepare(sweep, sqlite), tracking.prepare(sweep, sqlite)
    assert one == two
    tracking.log_files(one, {"report/report.html": b"<html>", "claims.json": "[] https://joe:s3cret@host"})
    tracking.finish_sweep(one, tags={"skipray.finished": "4"})
    client = MlflowClient(sqlite)
    run = client.get_run(one.parent_run_id)
    assert (run.info.status, run.data.tags["skipray.kind"]) == ("FINISHED", "sweep")
    assert {f.path for f in client.list_artifacts(one.parent_run_id)} == {
        "checksums.json",
        "claims.json",
        "environment",
        "report",
        "sweep",
    }
    assert Path(client.download_artifacts(one.parent_run_id, "sweep/toy.yaml")).read_text() == sweep.text
    listed = read_checksums(Path(client.download_artifacts(one.parent_run_id, "checksums.json")).read_text())
    assert {"claims.json", "report/report.html", "sweep/toy.yaml"} <= set(listed), "a later list has the earlier one's"
    assert "s3cret" not in Path(client.download_artifacts(one.parent_run_id, "claims.json")).read_text()
    assert tracking.prepare(sweep, sqlite) == one
    assert client.get_run(one.parent_run_id).info.status == "RUNNING"


def test_a_secret_in_the_question_reaches_no_store(sqlite: str, toys: SimpleNamespace, tmp_path: Path) -> None:
    sweep = replace(toys.sweep("asked"), question="How deep? token=planted-Tk19")
    tracking.begin_sweep(tracking.prepare(sweep, sqlite), sweep)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"How deep? token=***" in path.read_bytes() for path in kept)
    assert not [path for path in kept if b"planted-Tk19" in path.read_bytes()]


def test_an_experiment_that_was_deleted_by_hand_is_not_written_to(sqlite: str, toys: SimpleNamespace) -> None:
    address = tracking.prepare(toys.sweep(), sqlite)
    MlflowClient(sqlite).delete_experiment(address.experiment_id)
    with pytest.raises(tracking.TrackingRefused, match="mlflow experiments restore"):
        tracking.prepare(toys.sweep(), sqlite)
    assert not tracking.exists(toys.sweep(), sqlite)


def test_another_trouble_of_a_database_is_not_taken_for_a_deleted_experiment(
    sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow says that an experiment exists already whatever constraint its making breaks."""

    def refuse(*given: Any, **named: Any) -> None:
        raise MlflowException("Error: NOT NULL constraint failed", error_code=RESOURCE_ALREADY_EXISTS)

    monkeypatch.setattr(MlflowClient, "create_experiment", refuse)
    with pytest.raises(tracking.TrackingRefused, match="NOT NULL constraint failed"):
        tracking.prepare(toys.sweep(), sqlite)


@pytest.mark.parametrize("verb", ["status", "plan", "aggregate", "report", "launch", "compare"])
def test_every_verb_sees_that_an_experiment_was_deleted(
    sqlite: str, toys: SimpleNamespace, verb: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """None says that nothing has finished, and no report is written: the command that brings it back is told."""
    text = (Path(__file__).parents[2] / "sweeps" / "quickstart.yaml").read_text()
    (tmp_path / "toy.yaml").write_text(text.replace("name: quickstart", "name: toy"))
    number = tracking.prepare(toys.sweep(), sqlite).experiment_id
    MlflowClient(sqlite).delete_experiment(number)
    for name in ("toy.yaml", "toy"):
        assert launch.run([verb, name, *([name] if verb == "compare" else []), "--tracking-uri", sqlite]) == 2
        said = capsys.readouterr().err
        assert f"`MLFLOW_TRACKING_URI={sqlite} mlflow experiments restore -x {number}`" in said
    (tmp_path / "toy.yaml").rename(tmp_path / "gone")
    assert verb in ("plan", "launch") or launch.run([verb, "toy", *(["toy"] if verb == "compare" else [])]) == 2
    assert not (tmp_path / "reports").exists()


def test_several_workers_write_one_sqlite_file_without_losing_a_trial(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep(depths=(8, 14), seeds=(0, 1, 2, 3))
    address = tracking.prepare(sweep, sqlite)
    storage = tracking.storage_url(sweep, sqlite)
    delivered: list[bool] = []

    def work(trials: Any) -> None:
        for trial in trials:
            made = tracking.Recorder(address, trial, TrialPlace(storage, "toy", trial.trial_id).acquire())
            made.start()
            delivered.append(made.finish(toys.record(trial)))

    threads = [threading.Thread(target=work, args=(sweep.trials()[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert delivered == [True] * 16
    assert len(tracking.winning_runs(sweep, sqlite)) == 16


def test_reading_needs_neither_mlflow_nor_torch(sqlite: str, toys: SimpleNamespace) -> None:
    code = (
        "import sys; from skipray import tracking; from skipray.tracking.read.ledger import child_runs; "
        f"assert list(child_runs({sqlite!r}, 'toy')) == []; "
        "print([m for m in ('mlflow', 'torch', 'ray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_doctor_finds_and_repairs(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    done, torn, stale, waiting = sweep.trials()[:4]
    winner = toys.record_one(sweep, done, sqlite)
    broken = toys.record_one(sweep, torn, sqlite)
    toys.record_one(sweep, toys.trial("plainnet", 20), sqlite)
    address = tracking.prepare(sweep, sqlite)
    storage = tracking.storage_url(sweep, sqlite)
    begun = tracking.Recorder(address, stale, TrialPlace(storage, "toy", stale.trial_id).acquire())
    begun.start()
    TrialPlace(storage, "toy", waiting.trial_id).acquire().save_result(toys.record(waiting))
    client = MlflowClient(sqlite)
    copy = client.create_run(address.experiment_id, tags=client.get_run(str(winner.run_id)).data.tags)
    folder = local_path(client.get_run(str(broken.run_id)).info.artifact_uri)
    assert folder is not None
    for name in ("weights.safetensors", "layers.parquet"):  # one of the two would mend the other, or is not missed
        (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    findings = tracking.examine(sweep, sqlite)
    assert {(f.kind, f.run_id) for f in findings if f.kind != "orphan"} == {
        ("duplicate", copy.info.run_id),
        ("truncated", broken.run_id),
        ("stale", begun.run_id),
        ("undelivered", ""),
    }
    assert [f.kind for f in findings].count("orphan") == 1
    tracking.repair(sweep, findings, sqlite)
    assert {f.kind for f in tracking.examine(sweep, sqlite)} == {"orphan", "undelivered"}
    assert tracking.states(sweep, sqlite) == {done.trial_id: "finished"}
    tracking.deliver_pending(address, sweep.trials(), storage)
    assert {f.kind for f in tracking.examine(sweep, sqlite)} == {"orphan"}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_postgresql_as_the_store(postgresql: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep(depths=(8,))
    trial = sweep.trials()[0]
    postgresql = tracking.resolve_uri(None, postgresql)  # names the installed driver
    made = toys.record_one(sweep, trial, postgresql)
    run = MlflowClient(postgresql).get_run(str(made.run_id))
    before = len(MlflowClient(postgresql).get_metric_history(str(made.run_id), "train.loss"))
    storage = tracking.storage_url(sweep, postgresql)
    resent = tracking.Recorder(
        tracking.prepare(sweep, postgresql), trial, TrialPlace(storage, "toy", trial.trial_id).acquire()
    )
    resent.epochs(toys.record(trial).epochs)
    assert len(MlflowClient(postgresql).get_metric_history(str(made.run_id), "train.loss")) == before == 3
    assert run.info.status == "FINISHED"
    assert tracking.states(sweep, postgresql) == {trial.trial_id: "finished"}
    table = tracking.read_trials(sweep, postgresql)
    assert table["train.loss"].tolist() == [toys.record(trial).epochs[-1].metrics["train.loss"]]
    assert len(tracking.read_layers(sweep, postgresql)) == 12


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda store: store.write_text("x"), "skipray-store: found no folder there; .*: move away what is there"),
        (lambda store: (store / "schema.lock").mkdir(parents=True), "schema.lock: found a folder there; .*: remove"),
    ],
)
def test_what_lies_in_the_stores_place_is_named(
    damage: Callable[[Path], object], said: str, sqlite: str, toys: SimpleNamespace
) -> None:
    damage(tracking.store_folder(sqlite))
    with pytest.raises(InputRefused, match=said):
        tracking.prepare(toys.sweep(), sqlite)


@pytest.mark.parametrize("left", ["", "abc\n", "1", str(os.getpid())], ids=["empty", "no number", "of init", "own pid"])
def test_a_lock_that_was_left_behind_costs_nothing(left: str, sqlite: str, toys: SimpleNamespace) -> None:
    lock = tracking.store_folder(sqlite) / "schema.lock"
    lock.parent.mkdir()
    lock.write_text(left)
    began = time.monotonic()
    tracking.prepare(toys.sweep(), sqlite)
    assert time.monotonic() - began < 30
    assert not lock.exists()


def test_the_schema_is_made_by_one_process_at_a_time_until_it_is_killed(sqlite: str) -> None:
    program = (
        "import sys, time\nfrom skipray.tracking.write.schema_lock import schema_lock\n"
        "with schema_lock(sys.argv[1]):\n    print('in', flush=True)\n    time.sleep(100)"
    )
    entered = threading.Event()

    def enter() -> None:
        with schema_lock.schema_lock(sqlite):
            entered.set()

    second = threading.Thread(target=enter)
    with subprocess.Popen([sys.executable, "-c", program, sqlite], stdout=subprocess.PIPE, text=True) as first:
        try:
            assert first.stdout is not None
            assert first.stdout.readline() == "in\n"
            second.start()
            assert not entered.wait(1)
        finally:
            first.kill()
    assert entered.wait(10)
    second.join()
    assert not (tracking.store_folder(sqlite) / "schema.lock").exists()


def test_who_stands_still_with_the_lock_is_not_waited_for_forever(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_lock, "WAIT_SECONDS", 0.2)
    lock = tracking.store_folder(sqlite) / "schema.lock"
    with schema_lock.schema_lock(sqlite):
        with schema_lock.schema_lock(sqlite):
            pass
        assert lock.exists(), "it is the first one's"


def test_the_lock_names_each_installed_release_once() -> None:
    sweep = load_sweep(ROOT / "sweeps" / "quickstart.yaml")
    lines = experiment._provenance(sweep)["environment/requirements.lock"]
    assert isinstance(lines, str)
    assert lines.splitlines() == sorted({f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions()})
