"""A change with depth where some depths lack seeds: between the furthest depths that share two."""

import numpy as np
import pandas as pd
import pytest

from skipray.claims import change_over_depths, judge
from skipray.claims.judging.change import change_of
from skipray.spec.claims import LimitClaim, TrendClaim

DEPTHS = (8, 20, 38, 56)
RISING = TrendClaim(id="up", kind="trend", metric="train.accuracy", family="resnet", direction="rising")


def rises(family, depth, seed) -> dict[str, object]:
    rng = np.random.default_rng([depth, seed])
    noise = 0.01 * rng.standard_normal()
    rank = 30 * 8 / depth + 0.1 * noise
    return {
        "train.accuracy": 0.5 + 0.005 * depth + noise,
        "hidden.effective_rank.last": rank,
        "hidden.mean_cosine.last": 1 - rank / 40,
        "hidden.log10_condition.median": 2 + noise,
    }


@pytest.fixture
def whole(table) -> pd.DataFrame:
    return table(rises, families=("resnet", "plainnet"), depths=DEPTHS)


def found(trials: pd.DataFrame, claim: TrendClaim = RISING):
    return {c.id: c for c in judge(trials, own=[claim], factors=())}


def test_a_run_more_takes_no_verdict_away(whole) -> None:
    deepest = whole["depth"] == 56
    before, after = (found(whole[~(deepest & (whole["seed"] >= n))]) for n in (0, 1))
    assert before["up"].verdict == after["up"].verdict == "supported"
    assert before["up"].effect == after["up"].effect
    assert "from depth 8 to 38 (too few seeds have both 8 and 56)" in after["up"].sentence
    assert "too few" not in before["up"].sentence
    for claim in ("C1b", "C3", "C4"):
        assert before[claim].verdict == after[claim].verdict != "not tested"
        assert before[claim].effect == after[claim].effect
    assert "at depth 38" in after["C3"].sentence
    assert "at depth 38" in after["C4"].sentence


def test_ends_without_a_shared_seed_give_way_to_others(whole) -> None:
    gone = (whole["depth"] == 56) & (whole["seed"] < 3) | (whole["depth"] == 8) & (whole["seed"] >= 3)
    claim = found(whole[~gone])["up"]
    assert claim.verdict == "supported"
    assert "from depth 8 to 38 (too few seeds have both 8 and 56)" in claim.sentence


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        (lambda t: t["seed"] == 0, "one seed alone, 0"),
        (lambda t: t["depth"] == 8, "one depth alone, 8"),
        (lambda t: t["depth"] < 0, "no depth"),
        (lambda t: t["depth"].map(DEPTHS.index) == t["seed"], "no two depths that share two seeds"),
    ],
)
def test_what_a_trend_lacks_is_named(whole, kept, reason) -> None:
    claim = found(whole[kept(whole)])["up"]
    assert (claim.verdict, claim.reason) == ("not tested", reason)


def test_of_nothing_the_change_is_told_from_0_as_seldom_as_said() -> None:
    """Seeds that are there by chance: which depths a change is between depends on them, not on the values."""
    rng = np.random.default_rng(0)
    tries, told, tested = 700, 0, 0
    for _ in range(tries):
        frame = pd.DataFrame({"depth": np.repeat(DEPTHS, 4), "seed": np.tile(range(4), 4)})
        frame["value"] = rng.standard_normal(16) + rng.standard_normal(4)[frame["seed"]]
        frame = frame[rng.random(16) < np.repeat([0.9, 0.8, 0.5, 0.3], 4)]
        mean = change_over_depths(frame, np.zeros(len(frame)))
        if mean is not None:
            tested += 1
            told += mean.low(0.025) > 0 or mean.high(0.025) < 0
    assert tested > 0.95 * tries
    assert told / tested <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / tested)


def test_no_change_begins_with_a_network_that_diverged() -> None:
    """Of depth 8 one seed is there, and at depth 20 all but two have diverged, which count as 0."""
    rows = [(8, 0, 0.9, "trained")]
    rows += [(20, s, 0.9 if s < 2 else 0.0, "trained" if s < 2 else "diverged") for s in range(5)]
    rows += [(38, s, 0.5 + 0.001 * s, "trained") for s in range(5)]
    frame = pd.DataFrame(rows, columns=["depth", "seed", "value", "outcome"])
    change = change_of(frame, np.zeros(len(frame)))
    assert change.mean is not None
    assert change.mean.effect == pytest.approx(-0.4, abs=0.01)
    assert change.ends == "from depth 20 to 38 (too few seeds have both 8 and 38)"
    assert not (change.rows["outcome"] == "diverged").any()


@pytest.mark.parametrize(
    ("than", "direction", "lone"), [(50, "above", 56), (56, "above", 56), (24, "below", 20), (20, "below", 20)]
)
def test_a_limit_is_settled_by_the_next_depth_that_has_two_seeds(table, than: int, direction: str, lone: int) -> None:
    """All train where the claim is that the limit lies above, none where it lies below."""
    outcome = "trained" if direction == "above" else "untrained"
    trials = table(lambda *_: {"outcome": outcome}, families=("a",), depths=(8, 20, 38, 56, 74), seeds=8)
    trials = trials[~((trials["depth"] == lone) & (trials["seed"] > 0))]
    claim = LimitClaim(id="x", kind="limit", family="a", direction=direction, than=than)
    one = judge(trials, own=[claim], factors=())[0]
    assert one.verdict == "supported"
    assert f"at depth {74 if direction == 'above' else 8}, the nearest to {than} that could settle it" in one.sentence
