"""The frontier search on simulated families whose limit is known."""

import numpy as np
import pytest
from scipy.stats import binom

from skipray.search.frontier import Belief

DEPTHS = [6 * k + 2 for k in range(1, 67)]
LOW, HIGH, WIDTH = 8, 400, 1.5


def simulate(seed: int):
    """A family: `trains(depth)` draws an outcome; the limit is known."""
    rng = np.random.default_rng(seed)
    limit = np.exp(rng.uniform(np.log(12), np.log(300)))
    slope = np.exp(rng.normal(np.log(8), 0.5))
    return limit, lambda depth: rng.random() < 1 / (1 + (depth / limit) ** slope)


def search(seed: int) -> tuple[int, bool]:
    limit, trains = simulate(seed)
    belief, trials = Belief.prior(LOW, HIGH), 0
    while True:
        _, low, high = belief.interval()
        if high / low <= WIDTH:
            return trials, low <= limit <= high
        depth = belief.next_depth(DEPTHS)
        belief, trials = belief.after(depth, trains(depth)), trials + 1


def grid(seed: int) -> int:
    """The same interval from seeds added round by round to twelve evenly log-spaced depths."""
    _, trains = simulate(seed)
    belief, trials = Belief.prior(LOW, HIGH), 0
    while True:
        for depth in np.round(np.geomspace(LOW, HIGH, 12)):
            belief, trials = belief.after(depth, trains(depth)), trials + 1
        _, low, high = belief.interval()
        if high / low <= WIDTH:
            return trials


def test_half_the_trials_of_a_grid_and_intervals_that_cover():
    found = [search(seed) for seed in range(200)]
    needed_by_grid = [grid(seed) for seed in range(200)]
    assert np.mean([trials for trials, _ in found]) <= 0.5 * np.mean(needed_by_grid)
    # 95 % nominal: no fewer than the 1-in-1,000 quantile of the binomial.
    assert sum(covers for _, covers in found) >= binom.ppf(0.001, 200, 0.95)


def test_information_is_what_enumeration_gives():
    """Mutual information by its definition, entropy of the limit before minus after, on the belief's own grid."""
    belief = Belief.prior(LOW, HIGH).after(50, True).after(120, False)

    def entropy_of_limit(b: Belief) -> float:
        weights = np.exp(b.log_posterior - b.log_posterior.max())
        limit = weights.sum(axis=1) / weights.sum()
        return float(-(limit * np.log(np.where(limit > 0, limit, 1))).sum())

    weights = np.exp(belief.log_posterior - belief.log_posterior.max())
    weights /= weights.sum()
    slope = np.exp(np.linspace(*(np.log(8.0) + np.array([-2.5, 2.5]) * 0.7), weights.shape[1]))
    for depth in (26, 80, 200):
        trains = float((weights / (1 + (depth / np.exp(belief.log_limits))[:, None] ** slope)).sum())
        after = trains * entropy_of_limit(belief.after(depth, True)) + (1 - trains) * entropy_of_limit(
            belief.after(depth, False)
        )
        assert belief.information([depth])[0] == pytest.approx(entropy_of_limit(belief) - after, abs=1e-9)


def test_running_trials_are_not_repeated():
    belief = Belief.prior(LOW, HIGH)
    first = belief.next_depth(DEPTHS)
    second = belief.next_depth(DEPTHS, pending=[first])
    third = belief.next_depth(DEPTHS, pending=[first, second])
    assert len({first, second, third}) == 3
    assert belief.information([first], pending=[first])[0] < belief.information([first])[0]


def test_nothing_fails_means_beyond_the_deepest():
    belief = Belief.prior(LOW, 110)
    for _ in range(12):
        belief = belief.after(110, True)
    assert belief.beyond_fraction > 0.95
    assert belief.interval()[1] > 90


@pytest.mark.parametrize(("low", "high"), [(0, 10), (10, 10), (20, 10)])
def test_bad_ranges(low, high):
    with pytest.raises(ValueError, match="allowed: 0 < low < high"):
        Belief.prior(low, high)
