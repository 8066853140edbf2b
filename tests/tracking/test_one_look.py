"""A command that reads asks a server for a sweep's runs once."""

import os
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest

from skipray import tracking
from skipray.launch import run
from skipray.spec import SweepSpec, load_sweep
from skipray.tracking.read import ledger, measured, params


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with each reading of all runs."""
    made: list[str] = []
    real = ledger.http_runs

    def counted(*arguments: Any, **options: Any) -> Any:
        made.append("read")
        return real(*arguments, **options)

    for module in (ledger, measured, params):
        monkeypatch.setattr(module, "http_runs", counted)
    return made


OVERRIDES = ("factors.depth=[8]", "seeds=[0]")


@pytest.fixture
def finished(proxy: Any, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SweepSpec:
    """A sweep with a file, all of whose trials are finished, on the server that commands take by themselves."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
    sweep = load_sweep("quickstart", OVERRIDES)
    if not tracking.exists(sweep, proxy.uri):  # the server outlives a test
        address = tracking.prepare(sweep, proxy.uri)
        for trial in sweep.trials():
            toys.record_one(sweep, trial, proxy.uri)
        tracking.write_manifest(address, sweep, sweep.trials(), {})
        tracking.finish_sweep(address, "FINISHED")
    return sweep


def launched() -> int:
    return run(["launch", "quickstart", *(word for override in OVERRIDES for word in ("--set", override))])


def test_a_command_that_reads_asks_for_the_runs_once(
    finished: SweepSpec, reads: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("report", "aggregate", "status", "doctor"):
        reads.clear()
        assert run([command, "quickstart"]) == 0, capsys.readouterr().err
        assert reads == ["read"], command
    for _ in ("with a report to make", "with a report that stands"):
        reads.clear()
        assert launched() == 0, capsys.readouterr().err
        assert reads == ["read"]


def test_a_launch_that_runs_trials_looks_anew(
    finished: SweepSpec, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there before it says nothing about what it finds once it holds the sweep, nor about its end."""
    from skipray.execution import launching
    from skipray.scheduling.ray import pending_connection

    uri = os.environ["MLFLOW_TRACKING_URI"]
    seen: list[int] = []

    def look(*_: object) -> None:
        seen.append(len(tracking.read_ledger(finished, uri).finished))

    def looks_and_is_interrupted() -> None:
        look()
        look()
        raise KeyboardInterrupt

    connecting = create_autospec(pending_connection.PendingConnection)
    connecting.return_value.result.side_effect = looks_and_is_interrupted
    connecting.return_value.end.side_effect = look
    monkeypatch.setattr(pending_connection, "PendingConnection", connecting)
    monkeypatch.setattr("skipray.scheduling.work.queue.is_complete", lambda *_: False)
    monkeypatch.setattr(launching, "verify_data", lambda _: None)
    total = len(finished.trials())
    with tracking.one_look():
        assert len(tracking.read_ledger(finished, uri).finished) == total
        with pytest.raises(KeyboardInterrupt):
            launching.launch_sweep(finished, tracking_uri=uri)
        assert reads == ["read"] * 4, "one before the launch, three in it"
        assert len(tracking.read_ledger(finished, uri).finished) == total
    assert seen == [total] * 3
    assert reads == ["read"] * 5, "what was seen before a launch is not what its report is made from"


def test_progress_is_told_of_many_runs(finished: SweepSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    uri, total = os.environ["MLFLOW_TRACKING_URI"], len(finished.trials())
    monkeypatch.setattr("skipray.tracking.read.pages.PAGE", 1)
    said: list[str] = []
    with tracking.one_look(said.append):
        assert len(tracking.read_ledger(finished, uri).finished) == total
    assert said == []
    monkeypatch.setattr(ledger, "QUICK_RUNS", 2)
    with tracking.one_look(said.append):
        tracking.read_ledger(finished, uri)
        tracking.read_ledger(finished, uri)
    assert said == [f"{count} runs read" for count in range(2, total)]
