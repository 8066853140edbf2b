"""A launch that is over while Ray still starts leaves the process as it was."""

import threading

import pytest
import ray

from skipray.errors import InputRefused
from skipray.scheduling.ray import pending_connection
from skipray.scheduling.ray.cluster import Cluster
from skipray.spec import SweepSpec


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_after_a_launch_that_ended_while_ray_started_the_next_one_of_the_process_starts_its_own(
    sweep: SweepSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook, where the first was refused or interrupted."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    first = pending_connection.PendingConnection(sweep)
    first.begin()
    first.end(lambda: None)
    assert not ray.is_initialized()
    again = pending_connection.PendingConnection(sweep)
    again.begin()
    try:
        assert again.result().joined
    finally:
        again.end(lambda: None)


def test_a_ray_that_is_there_too_late_is_left_at_once(sweep: SweepSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    there, left = threading.Event(), threading.Event()
    made = Cluster("a cluster", ())

    def connect(sweep: SweepSpec, **_: object) -> Cluster:
        there.wait()
        return made

    monkeypatch.setattr(pending_connection, "connect", connect)
    monkeypatch.setattr(pending_connection, "disconnect", lambda cluster, _: left.set() if cluster is made else None)
    monkeypatch.setattr(pending_connection, "local_address", lambda _: "a cluster")
    monkeypatch.setattr(pending_connection, "begin", lambda *_: None)
    monkeypatch.setattr(pending_connection, "START_SECONDS", 0.05)
    first = pending_connection.PendingConnection(sweep)
    first.begin()
    first.end(lambda: None)
    with pytest.raises(InputRefused, match="or one that was ended while Ray started"):
        pending_connection.PendingConnection(sweep)
    there.set()
    assert left.wait(10)
    assert first._thread is not None
    first._thread.join(10)
    pending_connection.PendingConnection(sweep).end(lambda: None)
