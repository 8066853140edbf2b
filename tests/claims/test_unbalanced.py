"""Means, changes and limits where cells lack seeds, values are bounds or networks diverged: none is surer than it
may be."""

import numpy as np
import pandas as pd
import pytest

from skipray.claims import judge
from skipray.claims.judging.estimates import censored_mean, mean_over_cells, ratio_over_cells, share_of_seeds
from skipray.spec.claims import ComparisonClaim, LimitClaim, TrendClaim

KAPPA = "hidden.log10_condition.median"
DESIGNS = {
    "the same seeds": {8: (0, 1, 2), 20: (0, 1, 2), 38: (0, 1, 2)},
    "one cell of several": {8: (0, 1, 2), 20: (0,), 38: (0,), 56: (0,)},
    "one cell of one": {8: (0, 1, 2), 20: (0, 1, 2), 110: (0,)},
    "other seeds in each": {8: (0, 1), 20: (2, 3), 38: (4, 5), 56: (6, 7)},
    "two cells of one": {8: (0, 1), 20: (0,), 38: (1,)},
    "ten and two": {8: tuple(range(10)), 20: (0, 1)},
    "fewer with depth": {8: (0, 1, 2, 3, 4), 20: (0, 1, 2, 3, 4), 38: (0, 1, 2, 3), 56: (0, 1)},
    "the last seed is on its way": {d: (0, 1, 2) if d < 5 else (0, 1) for d in range(10)},
}


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
@pytest.mark.parametrize("shared", [0.0, 1.0], ids=["seeds alike", "seeds differ"])
def test_a_mean_of_nothing_is_told_from_0_as_seldom_as_said(design: dict[int, tuple[int, ...]], shared: float) -> None:
    rng = np.random.default_rng(0)
    cell = np.array([c for c, seeds in design.items() for _ in seeds])
    seed = np.array([s for seeds in design.values() for s in seeds])
    tries, told = 1500, 0
    for _ in range(tries):
        value = shared * rng.standard_normal(12)[seed] + rng.standard_normal(len(seed))
        mean = mean_over_cells(value, cell, seed)
        assert mean is not None
        told += mean.low(0.025) > 0 or mean.high(0.025) < 0
    assert told / tries <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / tries)


def test_cells_of_one_seed_alone_tell_nothing(table) -> None:
    assert mean_over_cells(np.array([0.1, 0.2]), np.array([8, 20]), np.array([0, 1])) is None
    assert ratio_over_cells(np.ones(2), np.ones(2), np.array([8, 20]), np.array([0, 1])) is None
    rng = np.random.default_rng(0)
    trials = table(lambda *_: {"test.accuracy": 0.8 + 0.05 * rng.standard_normal()}, families=("a", "b"), seeds=6)
    alone = trials[trials["seed"] == trials["depth"].rank(method="dense").astype(int) - 1]
    claim = ComparisonClaim(id="x", kind="comparison", metric="test.accuracy", family="a", than="b", direction="above")
    found = judge(alone, own=[claim])[0]
    assert found.verdict == "not tested"
    assert "6 pairs of twins, and no two of one depth" in found.reason


def test_one_seed_more_in_a_cell_of_one_is_no_ratio_of_shared_errors() -> None:
    cell, seed = np.array([8, 8, 8, 20]), np.array([0, 1, 2, 0])
    found = ratio_over_cells(np.array([1.0, 1.2, 0.9, 1.1]), np.array([2.0, 2.4, 1.8, 2.2]), cell, seed)
    assert found is not None
    assert found.covariance <= 0


def test_shares_of_fewer_seeds_count_for_fewer() -> None:
    whole = share_of_seeds(np.ones(6), np.repeat([8, 20], 3), np.tile([0, 1, 2], 2))
    partly = share_of_seeds(np.ones(4), np.array([8, 8, 8, 20]), np.array([0, 1, 2, 0]))
    assert whole is not None
    assert partly is not None
    assert (whole.count, partly.count) == (3, 2)
    assert share_of_seeds(np.ones(2), np.array([8, 20]), np.array([0, 0])) is None


@pytest.mark.parametrize("side", [-1, 1])
def test_a_bound_opens_an_interval_to_its_side_and_moves_nothing(side: int) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"cell": np.repeat([8, 20, 38, 156], 4), "seed": np.tile(range(4), 4), "censored": 0})
    rows["value"] = np.repeat([0.0, 0.0, 0.0, 2.0], 4) + 0.1 * rng.standard_normal(16)
    known = censored_mean(rows, "value")
    rows.loc[14, "censored"] = side
    bound = censored_mean(rows, "value")
    assert known is not None
    assert bound is not None
    assert bound.effect == known.effect
    ends, opened = (known.low(0.025), known.high(0.025)), (bound.low(0.025), bound.high(0.025))
    assert opened == ((ends[0], np.inf) if side > 0 else (-np.inf, ends[1]))
    assert (bound.at, known.at) == ("at least " if side > 0 else "at most ", "")


def test_a_trend_whose_deepest_values_are_bounds_rises_by_at_least_so_much(table) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        beyond = depth > 20
        return {KAPPA: 6.9 if beyond else 3 + 0.01 * rng.standard_normal(), f"{KAPPA}.censored": int(beyond)}

    trials = table(measure, families=("plainnet",), depths=(8, 20, 38, 56))
    named = {"kind": "trend", "metric": KAPPA, "family": "plainnet", "margin": 0.25}
    flat, rising = (TrendClaim(id=way, direction=way, **named) for way in ("flat", "rising"))
    found = {claim.id: claim for claim in judge(trials, own=[flat, rising]) if claim.own}
    assert {key: claim.verdict for key, claim in found.items()} == {"flat": "refuted", "rising": "supported"}
    assert "at least +3.9 from depth 8 to 56; 10 values are bounds." in found["rising"].sentence
    assert found["rising"].high == np.inf


@pytest.mark.parametrize(
    ("direction", "than", "last", "verdict"),
    [
        ("above", 50, 20, "inconclusive"),
        ("below", 70, 20, "inconclusive"),
        ("above", 50, 74, "supported"),
        ("below", 70, 8, "supported"),
        ("above", 70, 8, "refuted"),
        ("below", 50, 74, "refuted"),
        ("above", 74, 20, "refuted"),
        ("below", 74, 20, "supported"),
    ],
)
def test_a_depth_that_was_not_tried_is_settled_from_one_side_alone(table, direction, than, last, verdict) -> None:
    """`last` is the deepest depth where all train."""
    outcomes = {True: "trained", False: "untrained"}
    trials = table(
        lambda family, depth, seed: {"outcome": outcomes[depth <= last]},
        families=("a",), depths=(8, 20, 74, 110), seeds=12,
    )  # fmt: skip
    claim = LimitClaim(id="x", kind="limit", family="a", direction=direction, than=than)
    found = judge(trials, own=[claim])[0]
    assert found.verdict == verdict, found.sentence


def falls(family, depth, seed) -> dict[str, object]:
    """Diverged at the shallowest depth, good at the next, bad at the deepest."""
    score = {8: 0.5, 20: 0.98, 56: 0.3}[depth] + 0.001 * seed
    return {"train.accuracy": score, "outcome": "diverged" if depth == 8 else "trained"}


def test_a_network_that_diverged_where_it_is_shallow_makes_no_rise(table) -> None:
    trials = table(falls, families=("resnet",), depths=(8, 20, 56))
    claim = TrendClaim(id="x", kind="trend", metric="train.accuracy", family="resnet", direction="rising")
    found = {c.id: c for c in judge(trials, own=[claim])}
    assert found["x"].verdict == found["C1b"].verdict == "refuted"
    assert "from depth 20 to 56" in found["x"].sentence
    assert "left out at the shallowest depth" in found["x"].sentence
    assert "left out at the shallowest depth" in found["C1b"].sentence


def test_what_is_rounding_is_no_rise(table) -> None:
    trials = table(lambda *_: {"train.accuracy": 1.0 - 0.1 * 3}, families=("resnet",), depths=(8, 20, 56))
    found = {c.id: c for c in judge(trials)}["C1b"]
    assert "along a line +0)" in found.sentence


def test_a_diverged_network_has_no_gap(table) -> None:
    def measure(family, depth, seed):
        return {
            "gap.accuracy": {8: 0.02, 20: 0.05, 56: 0.4}[depth] + 0.001 * seed,
            "outcome": "diverged" if depth == 56 else "trained",
        }

    claim = TrendClaim(id="x", kind="trend", metric="gap.accuracy", family="a", direction="flat", margin=0.025)
    found = judge(table(measure, families=("a",), depths=(8, 20, 56)), own=[claim])[0]
    assert found.verdict == "refuted"
    assert "they are left out" in found.sentence


def test_a_change_between_other_ends_in_each_stratum_names_no_depths(table) -> None:
    def measure(family, depth, seed):
        return {"train.accuracy": 0.99 - 0.001 * depth + 0.0001 * seed}

    parts = [table(measure, families=("resnet",), depths=d).assign(width=w) for w, d in ((32, (8, 20)), (64, (8, 110)))]
    trials = pd.concat(parts).assign(trial_id=lambda t: range(len(t)))
    claim = TrendClaim(id="x", kind="trend", metric="train.accuracy", family="resnet", direction="falling")
    found = judge(trials, own=[claim], factors=["width"])[0]
    assert "from the shallowest depth to the deepest of each combination of factors" in found.sentence


def test_c10_tells_plain_networks_own_change(table) -> None:
    def measure(family, depth, seed):
        change = 0.6 if family == "plainnet" else 0.1 if depth == 8 else 0.4
        return {"deletion.output_change.median": change + 0.001 * seed}

    trials = table(measure, families=("plainnet", "resnet"), depths=(8, 110))
    trials = trials[(trials["architecture"] == "resnet") | (trials["depth"] == 8)]
    found = {c.id: c for c in judge(trials)}["C10"]
    assert "PlainNet's by 0.6" in found.sentence


def test_of_several_data_sets_none_is_said_to_be_refuted_that_is_open(table) -> None:
    rng = np.random.default_rng(0)

    def measure(lead: float, noise: float):
        def inner(family, depth, seed):
            return {"test.accuracy": 0.8 + lead * (family == "resnet") + noise * rng.standard_normal()}

        return inner

    leads = {"digits": (-0.1, 0.005), "gaussian": (0.01, 0.05)}
    families = ("resnet", "plainnet")
    trials = pd.concat([table(measure(*how), families=families).assign(dataset=name) for name, how in leads.items()])
    claim = ComparisonClaim(
        id="x", kind="comparison", metric="test.accuracy", family="resnet", than="plainnet", direction="above"
    )
    found = judge(trials, factors=["dataset"], own=[claim])[0]
    assert [part.verdict for part in found.parts] == ["refuted", "inconclusive"]
    assert found.sentence.startswith("Not on every data set: the difference is not as claimed on digits; open whether")
    assert "Not as claimed" not in found.sentence


def test_a_lead_that_is_shown_is_no_lead_of_nothing(table) -> None:
    """Both limits lie beyond the deepest depth; the fewer networks of one family train."""
    fails = {8: 0, 20: 1, 38: 3, 56: 5}

    def measure(family, depth, seed):
        return {"outcome": "untrained" if family == "plainnet" and seed < fails[depth] else "trained"}

    trials = table(measure, families=("plainnet", "resnet"), depths=tuple(fails), seeds=12)
    claim = LimitClaim(id="x", kind="limit", family="resnet", direction="above", than="plainnet")
    found = {c.id: c for c in judge(trials, own=[claim])}
    for claim_id in ("x", "C1a"):
        assert found[claim_id].verdict == "supported"
        assert found[claim_id].low is not None
        assert 0 < found[claim_id].low <= found[claim_id].effect
    assert "as far as" not in found["x"].sentence


@pytest.mark.parametrize(("seeds", "few"), [(6, 2), (10, 2), (10, 3), (6, 4), (6, 6)])
def test_a_cell_of_few_seeds_may_scatter_ten_times_as_much(seeds: int, few: int) -> None:
    """As the deepest networks of a sweep that goes on: it was told from nothing 17 times of 100 at 2 of 6 seeds."""
    rng = np.random.default_rng(1)
    sizes = [seeds, seeds, seeds, few]
    cell, seed = np.repeat(np.arange(4), sizes), np.concatenate([np.arange(size) for size in sizes])
    tries, told = 1500, 0
    for _ in range(tries):
        mean = mean_over_cells(np.where(cell == 3, 10.0, 1.0) * rng.standard_normal(len(cell)), cell, seed)
        assert mean is not None
        told += mean.low(0.025) > 0 or mean.high(0.025) < 0
    assert told / tries <= 0.07 + 3 * np.sqrt(0.05 * 0.95 / tries)
