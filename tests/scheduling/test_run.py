"""The loop on a real local Ray, with trials that do nothing: every trial once, whatever happens to its workers."""

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from ray.air.execution._internal import RayActorManager
from ray.exceptions import AuthenticationError

from skipray.scheduling.ray.attempt import Execute, WorkerContext
from skipray.scheduling.ray.cluster import Cluster
from skipray.scheduling.ray.head import ClusterLost, Head
from skipray.scheduling.ray.run import run
from skipray.scheduling.ray.tune_loop import TuneLoop
from skipray.scheduling.work.events import Event, Summary
from skipray.scheduling.work.protocol import FixedWork
from skipray.spec import SweepSpec

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("ray")]

Pretend = Callable[..., Execute]


def launch(sweep: SweepSpec, context: WorkerContext, cluster: Cluster, execute: Execute) -> tuple[Summary, list[Event]]:
    events: list[Event] = []
    trials = sweep.trials()
    work = FixedWork(trials, [float(t.model.depth) for t in trials])
    return run(work, sweep, context, cluster, on_event=events.append, execute=execute), events


def pids(folder: Path) -> set[str]:
    return {path.read_text().split()[0] for path in folder.iterdir()}


def test_every_trial_once_in_warm_processes(
    sweep: SweepSpec, context: WorkerContext, cluster: Cluster, pretend: Pretend, tmp_path: Path
) -> None:
    summary, events = launch(sweep, context, cluster, pretend(tmp_path))
    assert (summary.finished, summary.failed, summary.unfinished, summary.interrupted) == (6, (), 0, False)
    assert summary.train_seconds == pytest.approx(0.6)
    finished = Counter(e.trial.trial_id for e in events if e.kind == "finished")
    assert finished == {t.trial_id: 1 for t in sweep.trials()}
    started = [e.trial.model.depth for e in events if e.kind == "started"]
    assert set(started[:2]) == {20}, "longest first; a worker that still starts may hold the third"
    began = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for pid in pids(tmp_path):
        depths = [path.name.split("-d")[1][:3] for path in began if path.read_text().split()[0] == pid]
        assert depths == sorted(depths, reverse=True), "longest first in every process"
    assert len(pids(tmp_path)) <= cluster.fits(1, 0), "processes are reused, and none is started in vain"


def test_a_killed_worker_costs_an_attempt_and_nothing_else(
    sweep: SweepSpec, context: WorkerContext, cluster: Cluster, pretend: Pretend, tmp_path: Path
) -> None:
    summary, events = launch(sweep, context, cluster, pretend(tmp_path, kill="resnet-d020"))
    assert (summary.finished, summary.failed) == (6, ())
    again = [e for e in events if e.kind == "again"]
    assert [(e.trial.label, e.result and e.result.failure_class) for e in again] == [("resnet-d020-s00", "lost")]


def test_an_exception_fails_its_trials_alone_with_the_original_traceback(
    sweep: SweepSpec, context: WorkerContext, cluster: Cluster, pretend: Pretend, tmp_path: Path
) -> None:
    summary, events = launch(sweep, context, cluster, pretend(tmp_path, raises="resnext"))
    assert (summary.finished, len(summary.failed)) == (4, 2)
    for result in summary.failed:
        assert result.failure_class == "error"
        assert result.attempt == 1 + sweep.resources.max_failures
        assert re.match(r"tests/scheduling/conftest\.py:\d+: ValueError: bad luck in resnext-d0", result.message)
        assert 'raise ValueError(f"bad luck in {label}")' in result.traceback
    assert Counter(e.kind for e in events if "resnext" in e.trial.label) == {"started": 6, "again": 4, "failed": 2}


def test_out_of_memory_gets_twice_the_share_in_a_fresh_process(
    sweep: SweepSpec, context: WorkerContext, cluster: Cluster, pretend: Pretend, tmp_path: Path
) -> None:
    summary, _ = launch(sweep, context, cluster, pretend(tmp_path, memory="plainnet-d008"))
    assert (summary.finished, summary.failed) == (6, ())
    first, second = ((tmp_path / f"plainnet-d008-s00.{n}").read_text().split() for n in (1, 2))
    assert first[0] != second[0]
    assert float(second[1]) == min(2.0, max(n.cpus for n in cluster.nodes)) >= float(first[1]) == 1.0


@pytest.mark.parametrize("deaf", [False, True], ids=["workers that listen", "workers that do not"])
def test_ctrl_c_ends_within_ten_seconds(
    sweep: SweepSpec, context: WorkerContext, cluster: Cluster, pretend: Pretend, tmp_path: Path, deaf: bool
) -> None:
    before = signal.getsignal(signal.SIGINT)
    sent: list[float] = []

    def interrupt() -> None:
        while not any(tmp_path.iterdir()):
            time.sleep(0.05)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    summary, events = launch(sweep, context, cluster, pretend(tmp_path, seconds=20.0, deaf=deaf))
    assert time.monotonic() - sent[0] < 10
    assert summary.interrupted
    assert summary.finished == 0
    started = [e for e in events if e.kind == "started"]
    assert summary.unfinished == sum(e.kind == "interrupted" for e in events) >= len(started) > 0
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("another", [True, False], ids=["another cluster answers", "the head is well"])
def test_what_ray_refuses_is_a_lost_head_only_where_the_head_is_lost(
    sweep: SweepSpec,
    context: WorkerContext,
    cluster: Cluster,
    pretend: Pretend,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    another: bool,
) -> None:
    """Between two looks of the watch Tune's own call can be the first to meet the head that has taken the old one's
    place: it refuses a driver of another cluster."""

    def refused(*_: object, **__: object) -> bool:
        raise AuthenticationError("WrongClusterID")

    def no_longer(_: Head) -> object:
        raise ClusterLost("another Ray cluster answers")

    monkeypatch.setattr(RayActorManager, "next", refused)
    if not another:
        with pytest.raises(AuthenticationError):
            launch(sweep, context, cluster, pretend(tmp_path))
        return
    monkeypatch.setattr(Head, "nodes", no_longer)
    summary, _ = launch(sweep, context, cluster, pretend(tmp_path))
    held = [thread for thread in threading.enumerate() if isinstance(thread, TuneLoop)]
    for loop in held:
        loop.let_go()
        loop.join()
    assert len(held) == 1, "what is held of Ray is not collected, object by object, before the user's eyes"
    assert summary.interrupted
    assert "Ray on this machine is lost (another Ray cluster answers); run the same command again" in summary.why
