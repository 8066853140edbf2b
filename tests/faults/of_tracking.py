"""Faults of the tracking server: away, slow, refusing, without its database."""

import contextlib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from faulty_proxy import FaultyProxy
from stage import Disturbed, Stage

OUTAGE_SECONDS = 60.0
FAILING_SECONDS = 20.0
SLOW_SECONDS = 4.0
"""Before each answer; a client that gave up after its usual second would never get one."""


def mlflow_killed_for_a_minute(stage: Stage) -> None:
    """SIGKILL to the MLflow server in mid-sweep, started again after a minute."""
    with stage.disturb("mlflow-killed-60s", seeds=3) as it:
        launch = it.launch()
        it.training()
        it.strike()
        stage.cluster.kill_mlflow()
        waited = _count_waiting(it, OUTAGE_SECONDS)
        it.expect(waited > 0, "results waited in the storage")
        _restored(it, stage.cluster.start_mlflow)
        it.expect_exit(launch, 0)


def mlflow_killed_for_good(stage: Stage) -> None:
    """SIGKILL to the MLflow server for the rest of the sweep: the launch says what waits, and the next delivers it."""
    with stage.disturb("mlflow-killed-for-good") as it:
        launch = it.launch()
        it.training()
        it.strike()
        stage.cluster.kill_mlflow()
        it.expect_exit(launch, 3, "for the tracking store; launch again to deliver")
        left = len(it.trials()) - it.finished()
        it.expect(left > 0, "results were not delivered")
        stage.cluster.start_mlflow()
        again = it.launch()
        it.expect_exit(again, 0)
        it.expect(again.told().get("ran") == 0, f"nothing was trained again: {again.told().get('ran')} trials ran")
        it.row.recovered_seconds = time.time() - again.started


def mlflow_killed_at_the_end(stage: Stage) -> None:
    """SIGKILL to the MLflow server when one result is left to come, started again a minute later."""
    with stage.disturb("mlflow-killed-at-the-end", report=True) as it:
        launch = it.launch()
        it.wait(lambda: it.finished() == len(it.trials()) - 1, "all trials but one to be finished")
        it.strike()
        stage.cluster.kill_mlflow()
        _count_waiting(it, OUTAGE_SECONDS)
        it.expect(it.finished() < len(it.trials()), "a result was left to deliver")
        _restored(it, stage.cluster.start_mlflow)
        it.expect_exit(launch, 0)


def mlflow_away_at_the_start(stage: Stage) -> None:
    """A launch whose tracking server is away refuses at once, and says so; the next one runs."""
    with stage.disturb("mlflow-away-at-the-start") as it:
        stage.cluster.kill_mlflow()
        it.strike()
        refused = it.launch()
        it.expect_exit(refused, 2, stage.cluster.tracking_uri)
        stage.cluster.start_mlflow()
        again = it.launch()
        it.expect_exit(again, 0)
        first = it.watch.first_attempt_after(again.started)
        it.row.recovered_seconds = None if first is None else first - again.started


def mlflow_500(stage: Stage) -> None:
    """Every request is answered with 500 for a while."""
    _behind_proxy(stage, "mlflow-500", "500", FAILING_SECONDS)


def mlflow_slow(stage: Stage) -> None:
    """Every answer takes seconds for a while."""
    _behind_proxy(stage, "mlflow-slow", "slow", FAILING_SECONDS)


def mlflow_403(stage: Stage) -> None:
    """Every request is refused with 403 for a while, as after a change of the allowed hosts."""
    _behind_proxy(stage, "mlflow-403", "403", FAILING_SECONDS)


def mlflow_cuts_answers(stage: Stage) -> None:
    """Every request is carried out, and its answer is lost: each write is repeated blindly, and must leave no trace."""
    _behind_proxy(stage, "mlflow-cuts-answers", "late", FAILING_SECONDS, report=True)


def postgres_restarted(stage: Stage) -> None:
    """PostgreSQL is stopped at once, without a shutdown, and comes back 10 seconds later."""
    with stage.disturb("postgres-restarted", seeds=2) as it:
        launch = it.launch()
        it.training()
        it.strike()
        stage.cluster.stop_postgres(gentle=False)
        search = stage.cluster.tracking_uri + "/api/2.0/mlflow/experiments/search"
        refused = 0
        end = time.monotonic() + 10
        while time.monotonic() < end:
            refused += _status(search, b'{"max_results": 1}') >= 500
            time.sleep(0.5)
        it.expect(refused > 0, "the MLflow server could not answer without its database")
        it.expect(launch.lives, "the sweep was running")
        _restored(it, stage.cluster.start_postgres)
        it.expect_exit(launch, 0)


def _behind_proxy(stage: Stage, name: str, fault: str, seconds: float, report: bool = False) -> None:
    with (
        faulty_proxy(stage) as proxy,
        stage.disturb(name, seeds=2, variables={"MLFLOW_TRACKING_URI": proxy.uri}, report=report) as it,
    ):
        launch = it.launch()
        it.training()
        it.strike()
        proxy.fault = fault
        _count_waiting(it, seconds)

        def mend() -> None:
            proxy.fault = None

        it.expect(launch.lives, "the sweep was running")
        it.expect(proxy.failed > 0, "requests met the fault")
        _restored(it, mend)
        it.expect_exit(launch, 0)


@contextlib.contextmanager
def faulty_proxy(stage: Stage) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(stage.cluster.state.ports["mlflow"], slow_seconds=SLOW_SECONDS)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()


def _count_waiting(it: Disturbed, seconds: float) -> int:
    """Let the fault last; the most results that waited in the storage at a time."""
    most = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            folders = [p for p in (it.storage / it.name).iterdir() if p.is_dir()]
            most = max(most, sum(any(f.glob("result-*")) for f in folders))
        time.sleep(0.2)
    return most


def _restored(it: Disturbed, mend: object) -> None:
    """End the fault; how long the store then takes to get something new."""
    before = it.stage.database.last_written_ms(it.name) if not it.name.startswith("postgres-restarted") else None
    mend()  # type: ignore[operator]
    began = time.time()
    before = before or it.stage.database.last_written_ms(it.name)
    it.wait(lambda: it.stage.database.last_written_ms(it.name) != before, "the store to get something new")
    it.row.recovered_seconds = time.time() - began


def _status(url: str, body: bytes) -> int:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 599
