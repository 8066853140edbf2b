"""The trainability limit on any table of counts: what must hold whatever the data are."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skipray.report.limit_sentences import limit_sentence
from skipray.trends import Limit, trainability_limit
from skipray.trends.limit_words import bound_words, gap_words, limit_words

DEPTHS = (8, 20, 38, 56, 74, 110)


def limit_of(wins: tuple[int, ...], seeds: int, *, grouped: bool = True) -> Limit:
    """The first `wins[i]` seeds trained at the i-th depth."""
    depths = DEPTHS[: len(wins)]
    trained = np.array([[s < w for s in range(seeds)] for w in wins])
    seed = np.tile(np.arange(seeds), len(wins)) if grouped else None
    return trainability_limit(np.repeat(depths, seeds), trained.ravel(), seed=seed)


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[int, ...], int, bool]:
    seeds, count = draw(st.sampled_from((1, 2, 3, 5, 7))), draw(st.integers(1, len(DEPTHS)))
    return tuple(draw(st.integers(0, seeds)) for _ in range(count)), seeds, draw(st.booleans())


@given(tables())
@settings(max_examples=25, deadline=None)
def test_no_number_lies_outside_the_depths_tried(table: tuple[tuple[int, ...], int, bool]) -> None:
    wins, seeds, grouped = table
    found = limit_of(wins, seeds, grouped=grouped)
    numbers = [x for x in (found.low, found.depth, found.high) if x is not None]
    assert all(DEPTHS[0] <= x <= DEPTHS[len(wins) - 1] for x in numbers)
    assert numbers == sorted(numbers)
    assert [(c.trained, c.trials) for c in found.counts] == [(w, seeds) for w in wins]


@given(tables())
@settings(max_examples=25, deadline=None)
def test_an_end_is_named_only_where_the_cells_say_so(table: tuple[tuple[int, ...], int, bool]) -> None:
    wins, seeds, grouped = table
    found = limit_of(wins, seeds, grouped=grouped)
    if found.censored == "above":
        assert 2 * wins[-1] > seeds
        assert found.high is None
    if found.censored == "below":
        assert 2 * wins[0] < seeds
        assert found.low is None
    if all(2 * w > seeds for w in wins):
        assert found.censored == "above"
    if all(2 * w < seeds for w in wins):
        assert found.censored == "below"
    if not found.monotone:
        assert (found.depth, found.low, found.high, found.censored) == (None, None, None, "none")


@given(tables())
@settings(max_examples=25, deadline=None)
def test_a_failure_never_moves_the_bound_deeper_than_none_would(table: tuple[tuple[int, ...], int, bool]) -> None:
    wins, seeds, grouped = table
    found, best = limit_of(wins, seeds, grouped=grouped), limit_of((seeds,) * len(wins), seeds, grouped=grouped)
    worst = limit_of((0,) * len(wins), seeds, grouped=grouped)
    assert (found.low or 0) <= (best.low or 0)
    assert (found.high or np.inf) >= (worst.high or np.inf)


@given(tables())
@settings(max_examples=25, deadline=None)
def test_sentences_hold_the_cells_counts_and_no_others(table: tuple[tuple[int, ...], int, bool]) -> None:
    wins, seeds, grouped = table
    found = limit_of(wins, seeds, grouped=grouped)
    of_depth = dict(zip(DEPTHS, wins, strict=False))
    sentence = limit_sentence([("plainnet", found)])
    for text in (limit_words(found), sentence):
        for trained, trials, depth in re.findall(r"(\d+) of (\d+) seeds? at (\d+)", text):
            assert (of_depth[int(depth)], seeds) == (int(trained), int(trials))
    for side, end in (("deepest", len(wins) - 1), ("shallowest", 0)):
        named = re.search(rf"at (\d+), the {side} tried, (\d+) of (\d+) seeds? of plainnet", sentence)
        if named:
            assert [int(x) for x in named.groups()] == [DEPTHS[end], wins[end], seeds]
            assert (2 * wins[end] > seeds) == (side == "deepest")
    at = {"above": np.inf, "below": 0.0}.get(found.censored, found.depth)
    if at is not None:
        # Whatever cell speaks against the limit is named beside it.
        for depth, won in of_depth.items():
            against = (depth > at and 2 * won > seeds) or (depth < at and 2 * won < seeds)
            for text in (limit_words(found), sentence):
                assert (re.search(rf"though.* at {depth}\b", text) is not None) == against


def test_the_reviewed_tables() -> None:
    """A failed shallow network is a lapse; where none trains at the deepest, nothing `still trains` there."""
    lapse = limit_of((2, 3, 3, 3, 3, 0), 3)
    assert lapse.depth is not None
    assert 74 < lapse.depth < 110
    assert lapse.censored == "none"
    few = limit_of((1, 1, 0, 0, 0, 0), 3)
    assert "1 of 3 seeds of plainnet trains" in limit_sentence([("plainnet", few)])
    rising = limit_of((0, 0, 1, 2, 3, 3), 3)
    assert not rising.monotone
    assert "0 of 3 seeds at 8" in limit_sentence([("plainnet", rising)])


def test_a_clean_table_is_what_it_was_without_lapses() -> None:
    clean = limit_of((3, 3, 3, 3, 1, 0), 3)
    assert clean.depth == pytest.approx(71.4, abs=1.5)
    assert clean.low == pytest.approx(51.5, abs=2)
    assert clean.high == pytest.approx(109.6, abs=4)


def test_the_interval_holds_the_whole_gap_however_many_seeds() -> None:
    for seeds in (5, 10, 20, 50):
        gap = limit_of((seeds,) * 4 + (0, 0), seeds)
        assert 38 < (gap.low or 0) <= 57
        assert 73 <= (gap.high or 0) <= 110


def test_what_n_of_n_exclude_is_exact() -> None:
    three = limit_of((3,) * 6, 3)
    assert three.low == 74, "6 of 6 at 74 and beyond: 0.5^6 < 2.5 %"
    assert limit_of((6,) * 6, 6).low == 110
    assert limit_of((5,), 5).low is None
    assert bound_words(limit_of((5,), 5)) == "no 95\u00a0% bound from 5 seeds: 6 are needed"


def test_half_at_the_only_depth_is_the_limit() -> None:
    assert limit_of((1,), 2).depth == 8


def test_what_is_missing_is_said_shortly() -> None:
    every = [(8, 1, 4), (20, 1, 4), (38, 1, 4), (56, 0, 4), (74, 2, 4), (110, 4, 4), (164, 4, 4)]
    assert gap_words(every) == "1 of 4 seeds at 8 to 38, 2 of 4 at 74 and 4 of 4 at 110 and 164"
    assert gap_words([(8, 0, 3), (20, 0, 3)]) == ""
