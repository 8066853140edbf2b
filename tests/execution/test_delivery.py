"""What a launch says of results that wait: how many, whenever that is another number, and why."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from skipray import storage, tracking
from skipray.execution import delivery, launching
from skipray.execution.ended import LaunchEnd


def test_how_many_wait_is_said_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = iter([("a",), ("a",), ("a", "b"), (), ()])
    now: list[tuple[str, ...]] = [()]
    said: list[str] = []

    def awaiting(url: str, sweep: str) -> tuple[str, ...]:
        now[0] = next(rounds, ())
        return now[0]

    def deliver(address: Any, trials: Any, url: str, *, skip: Any) -> tracking.Pending:
        return tracking.Pending((), now[0], (), (), "no connection (refused)")

    monkeypatch.setattr(delivery, "DELIVERY_SECONDS", 0.001)
    monkeypatch.setattr(delivery, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(storage, "awaiting_delivery", awaiting)
    monkeypatch.setattr(tracking, "deliver_pending", deliver)
    trials = (SimpleNamespace(trial_id="a"), SimpleNamespace(trial_id="b"))
    thread = delivery.DeliveryThread(None, lambda: trials, "s", "u", set(), deque(), said.append)  # type: ignore[arg-type]
    with thread:
        end = time.monotonic() + 30
        while said[-1:] != ["nothing waits any more"] and time.monotonic() < end:
            time.sleep(0.001)
    assert said == [
        "1 result waits for the tracking store (no connection (refused))",
        "2 results wait for the tracking store (no connection (refused))",
        "nothing waits any more",
    ]


def test_what_is_in_hand_is_left_alone_and_waited_for_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, delivered, drained, said = threading.Event(), list[tuple[set[str], set[str]]](), list[float](), list[str]()

    def deliver(address: Any, trials: Any, url: str, *, skip: set[str]) -> tracking.Pending:
        delivered.append(({trial.trial_id for trial in trials}, skip))
        looked.set()
        return tracking.Pending((), (), (), ())

    monkeypatch.setattr(delivery, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(storage, "awaiting_delivery", lambda url, sweep: ("in hand", "runs", "waits"))
    monkeypatch.setattr(tracking, "deliver_pending", deliver)
    trials = tuple(SimpleNamespace(trial_id=name) for name in ("in hand", "runs", "waits"))
    hands: Any = SimpleNamespace(in_hand=frozenset({"in hand"}), drain=drained.append)
    thread = delivery.DeliveryThread(None, lambda: trials, "s", "u", {"runs"}, deque(), said.append, hands)  # type: ignore[arg-type]
    thread._away = "so that it looks soon"
    with thread:
        assert looked.wait(30)
        thread.wait_for_hands(hurry=True)
        assert (drained, said) == ([delivery.QUIET_SECONDS], []), "who has pressed Ctrl-C wants the prompt back"
        thread.wait_for_hands(hurry=False)
    assert delivered[0] == ({"waits"}, {"in hand", "runs"})
    assert drained[1:] == [delivery.QUIET_SECONDS, delivery.IN_HAND_SECONDS]
    assert said == ["1 result waits for the tracking store; for 30 s at most (Ctrl-C)"]


def test_what_is_in_hand_is_forgotten_once_it_is_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[set[str]] = []
    waiting = {"a"}
    monkeypatch.setattr(storage, "awaiting_delivery", lambda url, sweep: tuple(waiting))
    monkeypatch.setattr(tracking, "forget_finished", lambda known, url, sweep: forgotten.append(set(known)))
    thread = delivery.DeliveryThread(None, tuple, "s", "u", set(), deque(["a", "b"]), lambda _: None)  # type: ignore[arg-type]
    with thread:
        thread._forget()
        waiting.clear()
    assert forgotten == [{"b"}, {"a"}]


def test_a_result_that_is_refused_once_its_trial_has_ended_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    pending = tracking.Pending(("b",), (), (("a", "too large"), ("of an earlier launch", "too large")), ())
    monkeypatch.setattr(launching, "deliver_rest", lambda *_: pending)
    monkeypatch.setattr(launching, "known_by_now", lambda *_: SimpleNamespace(trials=(1, 2, 3)))
    ended, said = LaunchEnd(3, 3, 0, False, 1.0, Counter(), None), list[str]()
    sweep: Any = SimpleNamespace(tune=None, adaptive=None)
    found = launching._delivered(ended, sweep, None, "", None, {"a", "b"}, said.append)  # type: ignore[arg-type]
    assert (found.ran, found.failed, found.undelivered) == (2, 1, 0)
    assert said == ["the tracking store refuses the result of trial a: too large"]


def test_a_store_that_comes_and_goes_is_waited_for_while_it_takes_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look takes half of the patience, and each second one delivers: all are delivered, after eight times."""
    left, now = iter([4, 4, 3, 3, 2, 2, 1, 1, 0]), [0.0]
    rest = one_after_another(left, now, monkeypatch)
    pending, said = rest(patience_seconds=10.0)
    assert (pending.left, now[0]) == ((), 40.0)
    assert [words.split()[0] for words in said] == ["4", "3", "2", "1"]


def test_a_store_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    rest = one_after_another(iter([2] * 9), now, monkeypatch)
    pending, said = rest(patience_seconds=10.0)
    assert (len(pending.left), now[0], len(said)) == (2, 15.0, 1)


def one_after_another(left: Iterator[int], now: list[float], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`deliver_rest` with a store that leaves so many, one look after another, on a clock of its own."""

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def deliver(address: Any, trials: Any, url: str) -> tracking.Pending:
        return tracking.Pending((), tuple(map(str, range(next(left)))), (), (), "")

    monkeypatch.setattr(delivery, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    monkeypatch.setattr(delivery, "deliverable", lambda sweep, address, known: ())
    monkeypatch.setattr(tracking, "deliver_pending", deliver)
    monkeypatch.setattr(tracking, "take_back_doubles", lambda address, sweep: None)
    monkeypatch.setattr(storage, "trials_kept", lambda url, sweep: ())

    def rest(patience_seconds: float) -> tuple[tracking.Pending, list[str]]:
        said: list[str] = []
        sweep: Any = SimpleNamespace(name="s")
        address: Any = None
        known: Any = None
        return delivery.deliver_rest(sweep, address, known, "u", patience_seconds, said.append), said

    return rest
