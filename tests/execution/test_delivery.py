"""What a launch says of results that wait: how many, whenever that is another number, and why."""

import time
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from skipray import storage, tracking
from skipray.execution import delivery


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
