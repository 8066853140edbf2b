"""Servers and proxies that answer 200 with something else, or pass each request on twice; a cache that has rotted."""

import itertools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from skipray import tracking
from skipray.storage import TrialPlace
from skipray.tracking.client import reach
from skipray.tracking.read.launches import PARAM
from skipray.tracking.write import recorder as recorder_module
from skipray.tracking.write.store_lease import StoreLease


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skipray.tracking.client.RETRY_SECONDS_HTTP", (0.01, 0.01, 0.01))
    monkeypatch.setattr(recorder_module, "PAUSE_SECONDS", 0.0)


def all_runs(uri: str, name: str) -> list[Any]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def run_all(address: tracking.Address, sweep: Any, toys: SimpleNamespace) -> None:
    """As a launch does: an attempt a trial, then what waits, then the end."""
    storage = tracking.storage_url(sweep, address.uri)
    for trial in sweep.trials():
        made = tracking.Recorder(address, trial, TrialPlace(storage, sweep.name, trial.trial_id).acquire())
        made.start()
        made.epochs(toys.record(trial).epochs[:1])
        made.finish(toys.record(trial))
    for _ in range(8):
        if not tracking.deliver_pending(address, sweep.trials(), storage).left:
            break


def test_no_list_of_processes_shows_the_servers_database(server_port: int) -> None:
    """Its address may hold a password."""
    lines = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    assert any(f"--port {server_port}" in line for line in lines), "the server was looked at"
    assert not [line for line in lines if "server.db" in line and "mlflow" in line]


def test_requests_that_arrive_twice_leave_nothing(proxy: Any, server_port: int, toys: SimpleNamespace) -> None:
    sweep = toys.sweep("twice", depths=(8,), seeds=(0,))
    proxy.fault = "twice"
    address = tracking.prepare(sweep, proxy.uri)
    with StoreLease(address, sweep):
        run_all(address, sweep, toys)
        tracking.take_back_doubles(address, sweep.name)
        tracking.finish_sweep(address)
    assert proxy.failed > 10, "requests were passed on twice"
    runs = all_runs(f"http://127.0.0.1:{server_port}", "twice")
    assert sorted(r.data.tags["skipray.kind"] for r in runs) == ["sweep", "trial", "trial"]
    assert {r.info.status for r in runs} == {"FINISHED"}
    (parent,) = (r for r in runs if r.data.tags["skipray.kind"] == "sweep")
    assert len([p for p in parent.data.params if p.startswith(PARAM)]) == 1, "one lease"
    assert tracking.examine(sweep, f"http://127.0.0.1:{server_port}") == []


@pytest.mark.parametrize(("fault", "every"), [("empty", 2), ("html", 3)])
def test_answers_that_are_none_cost_no_trial(
    proxy: Any, server_port: int, toys: SimpleNamespace, fault: str, every: int
) -> None:
    sweep = toys.sweep(f"strange-{fault}-{every}", depths=(8,), seeds=(0,))
    true_uri = f"http://127.0.0.1:{server_port}"
    address = tracking.prepare(sweep, proxy.uri)
    proxy.every, proxy.fault = every, fault
    run_all(address, sweep, toys)
    assert proxy.failed > 3, "the fault struck"
    proxy.fault = None
    run = tracking.deliver_pending(address, sweep.trials(), tracking.storage_url(sweep, proxy.uri))
    assert not run.left
    assert not run.refused
    tracking.take_back_doubles(address, sweep.name)
    trials = [r for r in all_runs(true_uri, sweep.name) if r.data.tags["skipray.kind"] == "trial"]
    assert [r.info.status for r in trials] == ["FINISHED", "FINISHED"]
    for found in trials:
        steps = [m.step for m in MlflowClient(true_uri).get_metric_history(found.info.run_id, "train.loss")]
        assert steps == [0, 1, 2]
    assert tracking.examine(sweep, true_uri) == []


def test_a_finished_sweep_is_never_read_as_missing(proxy: Any, toys: SimpleNamespace) -> None:
    sweep = toys.sweep("finished", depths=(8,), seeds=(0,))
    run_all(tracking.prepare(sweep, proxy.uri), sweep, toys)
    for proxy.fault, proxy.every in itertools.product(("empty", "html", "half"), (2, 1)):
        try:
            finished = tracking.read_ledger(sweep, proxy.uri).finished
        except tracking.TrackingAway:
            continue
        assert len(finished) == 2


@pytest.mark.parametrize("place", [0.3, 0.6, 0.97])
def test_a_byte_that_rots_in_the_cache_is_seen(
    sqlite: str, toys: SimpleNamespace, place: float, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = toys.sweep(depths=(8,), seeds=(0,))
    for trial in sweep.trials():
        toys.record_one(sweep, trial, sqlite)
    before = tracking.read_layers(sweep, sqlite)
    kept = next((tracking.store_folder(sqlite) / "cache").rglob("*.parquet"))
    data = bytearray(kept.read_bytes())
    data[int(len(data) * place)] ^= 1
    kept.write_bytes(data)
    after = tracking.read_layers(sweep, sqlite)
    assert "read from the store" in caplog.text
    assert after.equals(before)
    assert all(p.read_bytes() != bytes(data) for p in kept.parent.glob("*.parquet")), "the damaged file is gone"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://127.0.0.1:1", "no connection (Connection refused); see that the server runs"),
        ("http://no-such-host.invalid:5000", "no connection ("),
    ],
)
def test_a_server_that_is_not_there_is_told_in_a_few_words(uri: str, words: str) -> None:
    with pytest.raises(tracking.TrackingAway) as raised:
        reach(uri, lambda client: client.search_experiments(), retries=())
    assert str(raised.value).startswith(f"{uri}: {words}")
    assert len(str(raised.value)) < 220


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, "<!doctype html>\n<title>404 Not Found</title>", "an answer 404 that is a web page and not MLflow's"),
        (404, "no such page\nhere", "error code 404 != 200."),
        (502, "<html>\n<h1>Bad Gateway</h1>", "only errors 502; see that the server runs"),
    ],
)
def test_a_page_that_is_not_mlflows_is_told_as_such(status: int, body: str, words: str) -> None:
    """Such as under a path that a proxy does not know."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, *arguments: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_port}/wrong"
        with pytest.raises(tracking.TrackingAway) as raised:
            reach(uri, lambda client: client.search_experiments(), retries=())
        server.shutdown()
    said = str(raised.value)
    assert words in said
    assert "Response body" not in said
    assert ("with the path before it under which a proxy serves it" in said) == (status == 404)
