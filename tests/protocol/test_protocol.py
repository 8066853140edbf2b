"""The protocol of leases, attempts, deliveries and runs in a few hundred orders; `python tests/protocol` tries 10^5."""

import itertools
import random

import pytest
from exploring import BEYOND, cases, shrink
from play import Run, one_trial
from world import KINDS, LASTING, Disturbance, disturbances

from skipray.storage import Lease, launch_lease
from skipray.tracking import StoreLease
from skipray.tracking.write.run import TrialRun

TRIAL = one_trial()
CALM = Run(TRIAL).play()
ONES = list(itertools.takewhile(lambda case: len(case) == 1, cases(CALM.world.steps + BEYOND, random.Random(0))))


def wrong(disturbing: tuple[Disturbance, ...], *, in_hand: bool = False) -> list[str]:
    return Run(TRIAL, disturbing, in_hand=in_hand).play().wrong


def test_what_is_in_the_hands_of_a_launch_is_neither_lost_nor_doubled_nor_changed() -> None:
    calm = Run(TRIAL, in_hand=True).play()
    assert calm.wrong == []
    assert any("the launch's hand" in line for line in calm.world.trace)
    rng = random.Random(20261130)
    several = itertools.islice(cases(CALM.world.steps + BEYOND, rng), len(ONES), len(ONES) + 150)
    for disturbing in [*rng.sample(ONES, 300), *several]:
        assert wrong(tuple(disturbing), in_hand=True) == [], " ".join(map(str, disturbing))


def test_nothing_is_lost_doubled_or_changed() -> None:
    assert CALM.wrong == []
    rng = random.Random(20261128)
    lasting = [case for case in ONES if case[0].kind in LASTING]
    several = itertools.islice(cases(CALM.world.steps + BEYOND, rng), len(ONES), len(ONES) + 100)
    for disturbing in [*rng.sample(lasting, 100), *several]:
        assert wrong(tuple(disturbing)) == [], " ".join(map(str, disturbing))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in LASTING])
def test_what_strikes_once_may_strike_anywhere(kind: str) -> None:
    for case in ONES:
        if case[0].kind == kind:
            assert wrong(tuple(case)) == [], " ".join(map(str, case))


@pytest.mark.parametrize(
    "words",
    [
        "crash@73",  # while what is delivered is removed
        "freeze@10-74",  # it comes to its lease when its trial has been delivered
        "twice@18 freeze@44-46 orphan@60-76",  # the empty twin of a run is not gone on with
        "orphan@11-147 away@60-92 freeze@107-109",  # a later launch's file has its own launch's number again
        "void@35 freeze@67-75",  # a finished run is trusted, so that what it holds is read back before
        "void@56 away@60-188",
        "takeover@14-78 orphan@27-91 full@44",  # a launch that was taken over removes what it knows to be finished
        "exit@66 crash@73",  # a run that is finished, and whose worker Ray ends just then, is not said to have failed
    ],
)
def test_what_was_found_before(words: str) -> None:
    assert wrong(disturbances(words)) == []


def test_it_finds_what_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the mark that a delivered trial keeps, fences, a look at who lives, reading back, a look for a run."""
    with monkeypatch.context() as broken:
        broken.setattr(Lease, "remove_delivered", lambda self: self.place.remove())
        assert any(wrong(case) for case in ONES if case[0].kind == "freeze")
    with monkeypatch.context() as broken:
        broken.setattr(Lease, "check", lambda self: None)
        assert any(wrong(case) for case in ONES if case[0].kind in ("freeze", "orphan"))
        assert any(wrong(case) for case in ONES if case[0].kind == "takeover")
    with monkeypatch.context() as broken:
        broken.setattr(StoreLease, "_is_living", lambda self, found: False)
        broken.setattr(launch_lease, "_living", lambda *told: False)
        assert any(wrong(case) for case in ONES if case[0].kind == "second")
    with monkeypatch.context() as broken:
        broken.setattr(TrialRun, "_has_points", lambda self, run, record: True)
        assert any(wrong(case) for case in ONES if case[0].kind == "void")
    with monkeypatch.context() as broken:
        broken.setattr(TrialRun, "_find", lambda self: None)
        assert any(wrong(case) for case in ONES if case[0].kind in ("cut", "crash"))


def test_what_is_found_is_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lease, "remove_delivered", lambda self: self.place.remove())
    found = next(case for case in ONES if case[0].kind == "freeze" and wrong(case))
    assert shrink(TRIAL, (Disturbance(1, "away", 1), *found)) == found


@pytest.mark.parametrize("words", ["crash", "crash@3-4", "freeze@3", "quake@3"])
def test_words_that_are_none_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="allowed: KIND@STEP"):
        disturbances(words)
