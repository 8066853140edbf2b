"""A head that is away for a moment, for good, or another one by now."""

import threading

from skipray.scheduling.ray.head import ClusterLost
from skipray.scheduling.ray.head_watch import follow
from skipray.scheduling.ray.nodes import Node

NODES = (Node("id", "host", 2, 0),)


def following(answers: list[object], away_seconds: float) -> tuple[str, int]:
    """What `follow` says of a head that gives these answers, one after the other, and how many it passed on."""
    ended = threading.Event()
    took: list[object] = []

    def ask() -> tuple[Node, ...]:
        answer = answers.pop(0)
        if not answers:
            ended.set()
        if isinstance(answer, Exception):
            raise answer
        return NODES

    return follow(ask, took.append, ended, every_seconds=0.01, away_seconds=away_seconds), len(took)


def test_a_head_that_is_away_for_a_moment_is_not_lost() -> None:
    away = [OSError("refused")] * 3
    assert following([NODES, *away, NODES, *away, NODES], away_seconds=10) == ("", 3)


def test_a_head_that_stays_away_is_lost() -> None:
    said, took = following([NODES] + [OSError("refused")] * 100, away_seconds=0.1)
    assert said == "no answer for 0.1 s: refused"
    assert took == 1


def test_another_cluster_on_the_same_address_is_not_waited_for() -> None:
    assert following([NODES, ClusterLost("another"), NODES, NODES], away_seconds=10) == ("another", 1)
