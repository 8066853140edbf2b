"""Bounds and p of one test agree at every level, and have the levels that they name."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skipray.claims.judging.change import change_over_depths
from skipray.claims.judging.estimates import mean_over_cells, ratio_over_cells, share_of_seeds
from skipray.claims.judging.evidence import Lead, Mean, Ratio, Share, excluded_rate
from skipray.trends import trainability_shift


@cache
def _lead(seed: int) -> Lead:
    rng = np.random.default_rng(seed)
    depth = np.tile(np.repeat([8.0, 20, 38, 56, 74, 110], 3), 2)
    second = np.repeat([False, True], 18)
    trained = np.log(depth) < np.log(np.where(second, 60, 30)) + 0.5 * rng.standard_normal(36)
    return Lead(trainability_shift(depth, trained, second, seed=np.tile([0, 1, 2], 12)))


@settings(max_examples=60, deadline=None)
@given(
    which=st.sampled_from(["mean", "censored", "share", "lead", "ratio"]),
    margin=st.floats(-2, 2),
    tail=st.sampled_from([0.025, 0.01, 0.0025]),
    seed=st.integers(0, 5),
)
def test_the_bound_excludes_a_margin_exactly_where_p_is_below_its_tail(which, margin, tail, seed) -> None:
    rng = np.random.default_rng(seed)
    mean, other = Mean(rng.normal(), 0.2, 2), Mean(1.5, 0.2, 2)
    evidence = {
        "mean": mean,
        "censored": Mean(rng.normal(), 0.1, 4, error_above=float("inf")),
        "share": Share(int(rng.integers(0, 13)), 12),
        "lead": _lead(seed),
        "ratio": Ratio(mean, other, 0.01),
    }[which]
    if which == "share":
        margin = abs(margin) / 2.01
    near = 1e-3
    if abs(evidence.low(tail) - margin) > near:
        assert (evidence.low(tail) > margin) == (evidence.p_above(margin) < tail)
    if abs(evidence.high(tail) - margin) > near:
        assert (evidence.high(tail) < margin) == (evidence.p_below(margin) < tail)


def test_mean_over_cells_is_the_t_interval_of_seed_means() -> None:
    """Balanced: the clustered standard error is that of the seeds' own means."""
    rng = np.random.default_rng(0)
    value, cell, seed = rng.standard_normal(12), np.repeat([0, 1, 2], 4), np.tile(np.arange(4), 3)
    found = mean_over_cells(value, cell, seed)
    assert found is not None
    means = value.reshape(3, 4).mean(axis=0)
    low, high = stats.t.interval(0.95, 3, means.mean(), stats.sem(means))
    assert (found.low(0.025), found.high(0.025)) == (pytest.approx(low), pytest.approx(high))
    assert found.p_above(0.0) == pytest.approx(stats.ttest_1samp(means, 0, alternative="greater").pvalue)
    assert mean_over_cells(value, cell, np.zeros(12)) is None


def test_values_without_spread_never_give_a_p_of_zero() -> None:
    found = mean_over_cells(np.ones(6), np.repeat([0, 1, 2], 2), np.tile([0, 1], 3))
    assert found is not None
    assert 0 < found.p_above(0.5) < 1e-6


def test_shares_are_exact_and_counted_by_seed() -> None:
    """Clopper and Pearson's interval; two networks of two do not show a majority, at however many depths."""
    found = Share(9, 10)
    exact = stats.binomtest(9, 10).proportion_ci(0.95, method="exact")
    assert (found.low(0.025), found.high(0.025)) == (pytest.approx(exact.low), pytest.approx(exact.high))
    assert found.p_above(0.5) == pytest.approx(stats.binomtest(9, 10, 0.5, "greater").pvalue)
    two = share_of_seeds(np.ones(12), np.repeat(np.arange(6), 2), np.tile([0, 1], 6))
    assert two is not None
    assert two.p_above(0.5) == pytest.approx(0.25)
    assert two.high(0.025) == 1.0


def test_no_majority_is_shown_too_often_where_a_seed_trains_at_all_depths_or_none() -> None:
    rng = np.random.default_rng(0)
    for seeds in (2, 3, 6, 10):
        trains = rng.random((200, seeds)) < 0.5
        cell, seed = np.repeat([0, 1], seeds), np.tile(np.arange(seeds), 2)
        shown = [share_of_seeds(np.tile(row, 2), cell, seed).p_above(0.5) <= 0.025 for row in trains[:200]]
        assert np.mean(shown) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 200)


def test_ratio_is_fiellers() -> None:
    """p at a ratio is that of the t test of above - ratio x below; where below may be 0 nothing is known."""
    rng = np.random.default_rng(2)
    above, below = 0.3 + 0.1 * rng.standard_normal(6), 1.0 + 0.1 * rng.standard_normal(6)
    found = ratio_over_cells(above, below, np.zeros(6), np.arange(6))
    assert found is not None
    expected = stats.ttest_1samp(above - 0.25 * below, 0, alternative="greater").pvalue
    assert found.p_above(0.25) == pytest.approx(
        max(expected, stats.ttest_1samp(below, 0, alternative="greater").pvalue)
    )
    assert found.low(0.025) < found.effect < found.high(0.025)
    unknown = ratio_over_cells(above, rng.standard_normal(6), np.zeros(6), np.arange(6))
    assert unknown is not None
    assert (unknown.low(0.025), unknown.high(0.025)) == (-np.inf, np.inf)


def test_the_change_is_the_datas_own_paired_difference() -> None:
    """A cliff: 0 up to depth 74 and 7 at 110. A line through it would say 4.4."""
    depths = (8, 20, 38, 56, 74, 110)
    rows = [(d, s, (7.0 if d == 110 else 0.0) + 10 * s) for d in depths for s in range(3)]
    frame = pd.DataFrame(rows, columns=["depth", "seed", "value"])
    found = change_over_depths(frame, np.full(len(frame), ""))
    assert found is not None
    assert found.effect == pytest.approx(7.0)


def test_what_n_of_n_good_runs_exclude() -> None:
    """3 of 3: 71 %, 6 of 6: 46 %, at 97.5 %."""
    assert excluded_rate(3) == pytest.approx(0.708, abs=0.001)
    assert excluded_rate(6) == pytest.approx(0.459, abs=0.001)
    assert (1 - excluded_rate(5)) ** 5 == pytest.approx(0.025)
