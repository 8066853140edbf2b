"""Granulated Kendall's tau against scipy, by hand, and its coverage."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from skipray.association import granulated_tau


def test_equals_scipy_without_strata_ties_included() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, 40).astype(float)
    y = x + rng.integers(0, 8, 40)
    found = granulated_tau(x, y)
    assert found is not None
    assert found.tau == pytest.approx(stats.kendalltau(x, y).statistic)
    assert found.pairs == 40 * 39 // 2


def test_strata_take_away_the_common_cause() -> None:
    """Within each depth the two fall together; depth alone makes them rise."""
    depth = np.repeat([8, 20, 38], 4)
    inside = np.tile([0.0, 1.0, 2.0, 3.0], 3)
    x, y = depth * 10 + inside, depth * 10 - inside
    overall, within = granulated_tau(x, y), granulated_tau(x, y, strata=depth)
    assert overall is not None
    assert within is not None
    assert overall.tau == pytest.approx((48 - 18) / 66)
    assert within.tau == -1.0
    assert within.pairs == 18


def pairwise(x, y, strata, seed):
    """tau and its error from all pairs, one by one: the jackknife's, at least chance's of as many runs."""
    first, second = np.triu_indices(len(x), 1)
    same = strata[first] == strata[second]
    first, second = first[same], second[same]
    signs = np.sign(x[first] - x[second]), np.sign(y[first] - y[second])

    def tau(keep):
        a, b = signs[0][keep], signs[1][keep]
        return np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2))

    names = np.unique(seed)
    left = np.array([tau((seed[first] != k) & (seed[second] != k)) for k in names])
    jackknife = np.sqrt((len(names) - 1) / len(names) * np.sum((left - left.mean()) ** 2))
    # Kendall 1938: the variance of the sum of signs of n runs without association.
    sizes = np.unique(strata, return_counts=True)[1]
    chance = np.sqrt(np.sum(sizes * (sizes - 1) * (2 * sizes + 5) / 18)) / len(first)
    return tau(np.full(len(first), True)), max(jackknife, chance)


@pytest.mark.parametrize("runs", [17, 64, 300])
def test_equals_all_pairs_with_ties_strata_and_seeds(runs: int) -> None:
    rng = np.random.default_rng(runs)
    strata, seed = rng.integers(0, 3, runs), rng.integers(0, 4, runs)
    x = rng.integers(-5, 6, runs).astype(float)
    y = np.round(x + 4 * rng.standard_normal(runs))
    found = granulated_tau(x, y, strata=strata, seed=seed)
    tau, error = pairwise(x, y, strata, seed)
    assert found is not None
    assert found.tau == pytest.approx(tau)
    assert found.high == pytest.approx(min(1.0, tau + stats.t.ppf(0.975, 3) * error))


def test_many_runs_need_no_table_of_pairs() -> None:
    """A table of 20,000 x 20,000 signs would be 400 MB at a byte each."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(20_000)
    y = 0.5 * x + rng.standard_normal(20_000)
    tracemalloc.start()
    found = granulated_tau(x, y, seed=np.arange(20_000) % 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found is not None
    assert found.tau == pytest.approx(stats.kendalltau(x, y).statistic)
    assert peak < 40e6


def test_nothing_to_compare() -> None:
    assert granulated_tau([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert granulated_tau([1.0, 2.0], [1.0, 2.0], strata=[0, 1]) is None
    assert granulated_tau([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], seed=[7, 7, 7]) is None


def test_bad_arrays() -> None:
    with pytest.raises(ValueError, match="one length"):
        granulated_tau([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="not finite"):
        granulated_tau([1.0, np.nan], [1.0, 2.0])


def test_intervals_cover_with_seeds() -> None:
    """Bivariate normal: tau = 2/pi arcsin(rho). Five seeds with effects of their own; 300 repetitions."""
    rng = np.random.default_rng(1)
    rho = 0.5
    hits = 0
    for _ in range(300):
        x = rng.standard_normal(40)
        y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(40)
        found = granulated_tau(x, y, seed=np.tile(np.arange(5), 8))
        assert found is not None
        hits += found.low <= 2 / np.pi * np.arcsin(rho) <= found.high
    # 95 % of 300, less three binomial standard errors.
    assert hits >= 300 * 0.95 - 3 * np.sqrt(300 * 0.95 * 0.05)


def test_null_is_rarely_positive() -> None:
    rng = np.random.default_rng(2)
    low = [
        granulated_tau(rng.standard_normal(24), rng.standard_normal(24), seed=np.tile(np.arange(4), 6))
        for _ in range(300)
    ]
    share = np.mean([t is not None and t.low > 0 for t in low])
    assert share <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 300)


def test_two_seeds_never_give_an_interval_without_width() -> None:
    """Two seeds of four cells, no association: the jackknife's two values are often equal. 300 repetitions."""
    rng = np.random.default_rng(3)
    found = [
        granulated_tau(rng.standard_normal(8), rng.standard_normal(8), seed=np.repeat([0, 1], 4)) for _ in range(300)
    ]
    assert all(t is not None and t.high - t.low > 0.5 for t in found)
    excludes = np.mean([t is not None and (t.low > 0 or t.high < 0) for t in found])
    assert excludes <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
