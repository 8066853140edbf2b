"""What others hold of a cluster is told as such, and what a launch's own workers hold is not."""

from pathlib import Path

import pytest
import ray

from skipray.scheduling.ray.cluster import Cluster
from skipray.scheduling.ray.nodes import Node
from skipray.scheduling.ray.resources import Shares
from skipray.scheduling.ray.taken import Taken
from skipray.spec import load_sweep
from skipray.terminal import progress
from skipray.terminal.progress import Progress

SWEEP = load_sweep(Path(__file__).parents[2] / "sweeps" / "quickstart.yaml", ["resources.threads=2"])
NODES = (Node("a", "10.0.0.1", 4.0, 0.0), Node("b", "10.0.0.2", 4.0, 0.0))


def hold(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    monkeypatch.setattr(ray, "available_resources", lambda: {"CPU": free} if free else {})


def test_cpus_that_others_hold_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hold(monkeypatch, 0.0)
    taken = Taken(Cluster("10.0.0.1:6379", NODES), Shares(SWEEP))
    assert taken.words() == "0 of the cluster's 8 CPUs are free, where a trial takes 2"
    hold(monkeypatch, 1.0)
    assert taken.words().startswith("1 of the cluster's 8 CPUs")
    hold(monkeypatch, 4.0)
    assert taken.words() == "", "they have given them back"


@pytest.mark.parametrize("address", [None, "10.0.0.1:6379"])
def test_what_the_launchs_own_workers_hold_is_not(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(monkeypatch, 8.0 if address else 0.0)
    taken = Taken(Cluster(address, NODES), Shares(SWEEP))
    hold(monkeypatch, 0.0)
    assert taken.words() == ""


def test_a_cluster_that_gives_no_answer_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ConnectionError

    monkeypatch.setattr(ray, "available_resources", refuse)
    assert Taken(Cluster("10.0.0.1:6379", NODES), Shares(SWEEP)).words() == ""


def test_a_launch_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.0)
    one = Progress(SWEEP.trials(), {}, {})
    one.on_wait(lambda: "0 of the cluster's 8 CPUs are free, where a trial takes 2")
    one.on_wait()
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith(
        "waiting for room on the cluster, which others use: 0 of the cluster's 8 CPUs are free, where a trial takes 2 "
        "(`ray status`)"
    )
    assert "a worker to start and import what it needs" in said[1]
