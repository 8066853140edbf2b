"""A change with depth where some depths lack seeds: between the furthest depths that share two."""

import re

import numpy as np
import pandas as pd
import pytest

from skipray.claims import change_over_depths, judge
from skipray.claims.judging.between import within_throughout
from skipray.claims.judging.change import change_of
from skipray.claims.judging.claim import Comparison
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


def hill(table, middle: float, noise: float, seeds: int = 4, seed: int = 0) -> pd.DataFrame:
    """0.6 at both ends, `middle` between."""
    rng = np.random.default_rng(seed)
    level = {8: 0.6, 20: middle, 38: middle, 56: 0.6}
    return table(
        lambda f, d, s: {"test.accuracy": level[d] + noise * rng.standard_normal()}, seeds, ("vit",), tuple(level)
    )


FLAT, RISING = (
    TrendClaim(id=way, kind="trend", metric="test.accuracy", family="vit", direction=way, margin=margin)
    for way, margin in (("flat", 0.05), ("rising", 0.0))
)


@pytest.mark.parametrize(("middle", "effect"), [(0.95, 0.35), (0.25, -0.35)])
def test_what_has_been_elsewhere_is_not_flat(table, middle: float, effect: float) -> None:
    claim, rising = (c for c in judge(hill(table, middle, 0.01), own=[FLAT, RISING]) if c.own)
    assert claim.verdict == "refuted"
    assert claim.effect == pytest.approx(effect, abs=0.02)
    assert (claim.low > 0.05) if effect > 0 else (claim.high < -0.05)
    for one in (claim, rising):
        assert re.search(rf"; in between {'[+]' if effect > 0 else '-'}0\.3[3-7]\d* at depth (20|38)", one.sentence)


def test_what_may_have_been_elsewhere_is_open(table) -> None:
    """0.04 further between, of a margin of 0.05, by noise of 0.02."""
    rows = hill(table, 0.64, 0.02)
    ends = rows[rows["depth"].isin([8, 56])].copy()
    ends["test.accuracy"] = 0.6 + 0.001 * ends["seed"]
    mixed = pd.concat([ends, rows[~rows["depth"].isin([8, 56])]], ignore_index=True)
    (claim,) = [c for c in judge(mixed, own=[FLAT]) if c.own]
    assert claim.verdict == "inconclusive"
    assert claim.low < 0.05 < claim.high
    (claim,) = [c for c in judge(ends, own=[FLAT]) if c.own]
    assert claim.verdict == "supported"


@pytest.mark.parametrize(("middle", "wrong"), [(0.6, "refuted"), (0.65, "supported"), (0.65, "refuted")])
def test_few_flat_series_are_refuted_and_few_hills_as_high_as_the_margin_supported(table, middle, wrong) -> None:
    rows = hill(table, middle, 0.0).rename(columns={"test.accuracy": "value"})
    stratum, rng, tries, found = np.array(["all"] * len(rows)), np.random.default_rng(0), 120, 0
    for _ in range(tries):
        noisy = rows.assign(value=rows["value"] + 0.03 * rng.standard_normal(len(rows)))
        change = change_of(noisy, stratum)
        assert change.mean is not None
        evidence = within_throughout(change.mean, change.between, 0.05)
        part = Comparison("", evidence, "", "", "", 0.05, "within")
        found += (part.p if wrong == "supported" else part.p_against) <= (0.025 if wrong == "supported" else 0.05)
    assert found <= 0.05 * tries + 3 * np.sqrt(tries * 0.05 * 0.95)
