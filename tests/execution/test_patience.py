"""A tracking store that restarts as a launch ends is waited for, and one that stays away is given up."""

import pytest

from skipray.execution import patience
from skipray.execution.delivery import PATIENCE_SECONDS
from skipray.tracking import TrackingAway, TrackingRefused


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", slept.append)
    return slept


def of_answers(answers: list[object]):
    def work() -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return work


def test_a_restart_costs_a_pause_and_is_said_once(clock: list[float]) -> None:
    """The server of ten thousand trials was killed while their launch read them: it ended with 3, all delivered."""
    said: list[str] = []
    work = of_answers([TrackingAway("no connection")] * 4 + ["the report"])
    assert patience.patiently(work, said.append) == "the report"
    assert len(clock) == 4
    assert said == [f"no connection; it is waited for, at most {PATIENCE_SECONDS:g} s (Ctrl-C)"]


def test_a_store_that_stays_away_is_given_up(clock: list[float]) -> None:
    with pytest.raises(TrackingAway):
        patience.patiently(of_answers([TrackingAway("no connection")] * 1000), lambda _: None)
    assert sum(clock) == PATIENCE_SECONDS


def test_a_refusal_is_not_waited_for(clock: list[float]) -> None:
    with pytest.raises(TrackingRefused):
        patience.patiently(of_answers([TrackingRefused("no permission")]), lambda _: None)
    assert not clock
