"""Diverged networks speak for no claim, and against what says something good of them: of claims that leave nothing out
never all are refuted, and of those that exclude each other never two are supported."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skipray.claims import judge
from skipray.claims.judging.data import SweepData
from skipray.claims.judging.own import judge_own
from skipray.claims.judging.verdict import Stated, judged
from skipray.spec.claims import ComparisonClaim, TrendClaim

DEPTHS = (8, 20, 38, 56)
MARGIN = 0.02
METRIC = "train.accuracy"
TREND = [
    TrendClaim(id=way, kind="trend", metric=METRIC, family="foo", direction=way, margin=MARGIN)
    for way in ("rising", "falling", "flat")
]
COMPARISON = [
    ComparisonClaim(id=way, kind="comparison", metric=METRIC, family="bar", than="foo", direction=way, margin=MARGIN)
    for way in ("above", "below", "within")
]


def made(level, diverged, seeds: int = 5, families=("foo", "bar"), sd: float = 0.01) -> pd.DataFrame:
    """A row per trial; level and diverged of (family, depth, seed)."""
    rng = np.random.default_rng(0)
    rows = []
    for family in families:
        for depth in DEPTHS:
            for seed in range(seeds):
                lost = diverged(family, depth, seed)
                value = float(np.clip(level(family, depth) + sd * rng.standard_normal(), 0, 1))
                rows.append((f"{family}{depth}{seed}", family, depth, seed, np.nan if lost else value, lost))
    table = pd.DataFrame(rows, columns=["trial_id", "architecture", "depth", "seed", METRIC, "lost"])
    return table.assign(outcome=np.where(table.pop("lost"), "diverged", "trained"))


def verdicts(table: pd.DataFrame, claims) -> dict[str, str]:
    data = SweepData.read(table, None, ())
    return {c.id: c.verdict for c in judged([Stated(one.id, "", judge_own(one, data), own=True) for one in claims])}


def test_what_diverges_refutes_what_says_something_good_of_it_alone() -> None:
    """bar is .1 better at depths 8 and 20 and always diverges at 38 and 56."""
    table = made(lambda a, d: 0.9 if a == "bar" else 0.8, lambda a, d, s: a == "bar" and d >= 38)
    assert verdicts(table, COMPARISON) == {"above": "refuted", "below": "inconclusive", "within": "inconclusive"}
    said = {c.id: c.sentence for c in judge(table, own=COMPARISON, factors=()) if c.own}
    assert "-0.348 in train.accuracy, 20 pairs" in said["above"]
    assert "+0.0992 in train.accuracy, 10 pairs; -0.348 to +0.0992, by what diverged networks count as" in said["below"]


def test_a_trend_whose_deepest_networks_all_diverge_does_not_rise() -> None:
    """Accuracy rises from 8 to 38 and all diverge at 56."""
    table = made(lambda a, d: 0.5 + 0.005 * d, lambda a, d, s: d == 56, families=("foo",))
    assert verdicts(table, TREND) == {"rising": "refuted", "falling": "inconclusive", "flat": "refuted"}


@pytest.mark.parametrize(("lead", "above"), [(0.1, "supported"), (-0.1, "refuted")])
def test_what_holds_either_way_is_decided(lead: float, above: str) -> None:
    """Of the worse family some diverge."""
    worse = "foo" if lead > 0 else "bar"
    table = made(
        lambda a, d: 0.7 + lead * (a == "bar"), lambda a, d, s: a == worse and d == 56 and s == 0, sd=0.001
    )  # fmt: skip
    found = verdicts(table, COMPARISON)
    assert (found["above"], found["within"]) == (above, "refuted")


def test_a_family_of_which_all_diverged_is_not_above_another() -> None:
    table = made(lambda a, d: 0.8, lambda a, d, s: a == "bar")
    claim = next(c for c in judge(table, own=COMPARISON[:1], factors=()) if c.own)
    assert claim.verdict == "refuted"


levels = st.lists(st.sampled_from([0.1, 0.3, 0.32, 0.5, 0.8, 0.82, 1.0]), min_size=8, max_size=8)
losses = st.lists(st.sampled_from([0, 0, 0, 1, 3, 4, 5]), min_size=8, max_size=8)


@settings(max_examples=60, deadline=None)
@given(level=levels, lost=losses, sd=st.sampled_from([0.0, 0.002, 0.05]), first=st.booleans())
def test_of_all_that_may_be_not_all_is_refuted_and_of_what_excludes_itself_one_is_supported(
    level: list[float], lost: list[int], sd: float, first: bool
) -> None:
    """lost: how many of five seeds diverge in each cell, the first or the last ones. What has been elsewhere between
    its ends neither rises nor falls nor is flat, and the sentence says where."""
    place = {(a, d): i for i, (a, d) in enumerate((a, d) for a in ("foo", "bar") for d in DEPTHS)}

    def diverged(family, depth, seed):
        return (seed if first else 4 - seed) < lost[place[family, depth]]

    table = made(lambda a, d: level[place[a, d]], diverged, sd=sd)
    for claims in (TREND, COMPARISON):
        judged = [c for c in judge(table, own=claims, factors=()) if c.own]
        found = [c.verdict for c in judged]
        assert found.count("refuted") < len(found) or any("; in between " in c.sentence for c in judged)
        assert found.count("supported") <= 1
