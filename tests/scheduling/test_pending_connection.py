"""One launch of a process at a time; one that is over while Ray still starts leaves the process as it was."""

import threading

import pytest
import ray

from skipray.errors import InputRefused
from skipray.scheduling.ray import cluster, pending_connection
from skipray.scheduling.ray.addresses import ClusterError
from skipray.scheduling.ray.cluster import Cluster
from skipray.spec import SweepSpec


def prepared(sweep: SweepSpec) -> pending_connection.PendingConnection:
    made = pending_connection.PendingConnection(sweep)
    try:
        made.prepare()
    except BaseException:
        made.end()
        raise
    return made


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_after_a_launch_that_ended_while_ray_started_the_next_one_of_the_process_starts_its_own(
    sweep: SweepSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook, where the first was refused or interrupted."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    first = prepared(sweep)
    first.begin()
    first.end()
    assert not ray.is_initialized()
    again = prepared(sweep)
    again.begin()
    try:
        assert again.result().joined
    finally:
        again.end()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are to a cluster, of which nothing is asked."""
    monkeypatch.setattr(pending_connection, "local_address", lambda _: "a cluster")
    monkeypatch.setattr(pending_connection, "begin", lambda *_: None)


def test_two_launches_of_one_process_are_not_at_work_at_once(
    sweep: SweepSpec, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(pending_connection, "connect", lambda sweep, **_: made.append(sweep.name))
    first = prepared(sweep)
    with pytest.raises(InputRefused, match="found another launch at work in this Python process"):
        prepared(sweep)
    first.begin()
    first._ready.wait()
    first.end()
    again = prepared(sweep)
    again.begin()
    again._ready.wait()
    again.end()
    assert made == [sweep.name] * 2


def test_a_ray_that_is_there_too_late_is_left_at_once(
    sweep: SweepSpec, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, left = threading.Event(), threading.Event()
    made = Cluster("a cluster", ())

    def connect(sweep: SweepSpec, **_: object) -> Cluster:
        there.wait()
        return made

    monkeypatch.setattr(pending_connection, "connect", connect)
    monkeypatch.setattr(pending_connection, "disconnect", lambda given, _: left.set() if given is made else None)
    monkeypatch.setattr(pending_connection, "START_SECONDS", 0.05)
    monkeypatch.setattr(pending_connection, "LEFT_SECONDS", 0.05)
    first = prepared(sweep)
    first.begin()
    first.end()
    with pytest.raises(InputRefused, match="or the Ray of one that was interrupted while it started"):
        prepared(sweep)
    monkeypatch.setattr(pending_connection, "LEFT_SECONDS", 10)
    threading.Timer(0.2, there.set).start()
    prepared(sweep).end()
    assert left.is_set(), "the next launch has waited for it"
    first._thread.join(10)


def test_one_that_is_interrupted_as_it_begins_is_not_at_work(
    sweep: SweepSpec, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> set[int]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pending_connection, "descendants", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepared(sweep)
    prepared(sweep).end()


def test_one_that_is_interrupted_while_its_thread_starts_is_ended(
    sweep: SweepSpec, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python waits for a thread to run, which Ctrl-C interrupts: the thread connects all the same."""
    left = threading.Event()
    made = Cluster("a cluster", ())
    monkeypatch.setattr(pending_connection, "connect", lambda sweep, **_: made)
    monkeypatch.setattr(pending_connection, "disconnect", lambda given, _: left.set() if given is made else None)

    class Late(threading.Thread):
        def start(self) -> None:
            threading.Timer(0.2, super().start).start()
            raise KeyboardInterrupt

    monkeypatch.setattr(threading, "Thread", Late)
    first = prepared(sweep)
    with pytest.raises(KeyboardInterrupt):
        first.begin()
    first.end()
    assert left.is_set()
    prepared(sweep).end()


def test_a_ray_of_the_users_own_that_gives_no_answer_is_named(
    sweep: SweepSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself would wait for it without end."""
    away = threading.Event()
    monkeypatch.setattr(cluster, "begin", lambda *_: None)
    monkeypatch.setattr(cluster, "apply_settings", lambda **_: None)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", away.wait)
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 0.05)
    with pytest.raises(ClusterError, match=r"gives no answer within 5 s; call `ray.shutdown\(\)`"):
        cluster.connect(sweep)
    away.set()
