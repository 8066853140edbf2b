"""Searches of many series side by side: in each round the maximisations that all of them ask for are done at once.

Of a series alone the calls are what costs. A search is a generator: it yields what it wants maximised, and is sent what
was found. No row of a maximisation depends on the others, to the last bit, so that a search finds the same whatever
goes on beside it.
"""

from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from skipray.curves import Array
from skipray.trends.likelihood import Likelihood, joined
from skipray.trends.newton import Constraint, maximise

MOST_AT_ONCE = 200_000
"""Values of all rows of one maximisation; it holds some 30 numbers for each: 50 MB."""

Answer = tuple[Array, Array]
"""The highest states (R, M), and their heights (R,)."""


@dataclass(frozen=True)
class Ask:
    """As the arguments of `maximise`."""

    likelihood: Likelihood
    states: Array
    constraint: Constraint | None = None
    goal: Array | None = None
    steps: int = 60
    tolerance: float = 1e-9


Found = TypeVar("Found")
Search = Generator[Sequence[Ask], list[Answer], Found]


def in_step(searches: Sequence[Search[Found]]) -> list[Found]:
    """What each search finds, in their order."""
    found: dict[int, Found] = {}
    answers: dict[int, list[Answer] | None] = dict.fromkeys(range(len(searches)))
    while answers:
        asked: dict[int, Sequence[Ask]] = {}
        for place, answer in answers.items():
            try:
                asked[place] = searches[place].send(answer)  # type: ignore[arg-type]  # None begins a search
            except StopIteration as end:
                found[place] = end.value
        together = iter(_highest([ask for asks in asked.values() for ask in asks]))
        answers = {place: [next(together) for _ in asks] for place, asks in asked.items()}
    return [found[place] for place in range(len(searches))]


def _highest(asks: Sequence[Ask]) -> list[Answer]:
    groups: dict[Hashable, list[int]] = {}
    filled: dict[Hashable, int] = {}
    for place, ask in enumerate(asks):
        alike = (ask.likelihood.key, ask.constraint is None, ask.steps, ask.tolerance)
        filled[alike] = filled.get(alike, 0) + ask.likelihood.rows.y.size
        groups.setdefault((filled[alike] // MOST_AT_ONCE, alike), []).append(place)
    out: dict[int, Answer] = {}
    for places in groups.values():
        group = [asks[place] for place in places]
        states, heights = _together(group)
        ends = np.cumsum([len(ask.states) for ask in group])[:-1]
        out.update(zip(places, zip(np.split(states, ends), np.split(heights, ends), strict=True), strict=True))
    return [out[place] for place in range(len(asks))]


def _together(asks: Sequence[Ask]) -> Answer:
    likelihood, first = joined([ask.likelihood for ask in asks]), asks[0]
    states = np.concatenate([ask.states for ask in asks])
    held = [(ask.constraint, ask.goal) for ask in asks if ask.constraint is not None and ask.goal is not None]
    if not held:
        return maximise(likelihood, states, steps=first.steps, tolerance=first.tolerance)
    constraint = Constraint(
        likelihood,
        np.concatenate([one.parameter for one, _ in held]),
        np.concatenate([one.depth for one, _ in held]),
    )
    goal = np.concatenate([goal for _, goal in held])
    return maximise(likelihood, states, constraint, goal, steps=first.steps, tolerance=first.tolerance)
