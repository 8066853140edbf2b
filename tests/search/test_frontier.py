"""The frontier search on simulated families whose limit is known."""

import numpy as np
import pytest
from scipy.stats import binom

from skipray.search.frontier import SLOPE_LOG_SD, Belief, find_frontier

DEPTHS = [6 * k + 2 for k in range(1, 67)]
LOW, HIGH, WIDTH = 8, 400, 1.5


def simulate(seed: int):
    """A family: `trains(depth)` draws an outcome; the limit is known."""
    rng = np.random.default_rng(seed)
    limit = np.exp(rng.uniform(np.log(12), np.log(300)))
    slope = np.exp(rng.normal(np.log(8), 0.5))
    return limit, lambda depth: rng.random() < 1 / (1 + (depth / limit) ** slope)


SEEDS = 8


def search(seed: int) -> tuple[int, bool]:
    """Trials until the interval is narrow, and whether it holds the truth. Each depth is tried with several seeds."""
    limit, trains = simulate(seed)
    belief, depths, trained = Belief.prior(LOW, HIGH), [], []
    while True:
        found = find_frontier(WIDTH, depths, trained, [i % SEEDS for i in range(len(depths))], (LOW, HIGH))
        if found.verdict == "found":
            assert found.width <= WIDTH
            return len(depths), found.low <= limit <= found.high
        depths.append(belief.next_depth(DEPTHS))
        trained.append(trains(depths[-1]))
        belief = belief.after(depths[-1], trained[-1])


def grid(seed: int) -> int:
    """The same interval from seeds added round by round to twelve evenly log-spaced depths."""
    _, trains = simulate(seed)
    depths, trained, seeds = [], [], []
    for round_ in range(30):
        for depth in np.round(np.geomspace(LOW, HIGH, 12)):
            depths.append(depth)
            trained.append(trains(depth))
            seeds.append(round_)
        if find_frontier(WIDTH, depths, trained, seeds, (LOW, HIGH)).verdict == "found":
            break
    return len(depths)


def test_half_the_trials_of_a_grid_and_intervals_that_cover():
    found = [search(seed) for seed in range(12)]
    needed_by_grid = [grid(seed) for seed in range(12)]
    assert np.mean([trials for trials, _ in found]) <= 0.5 * np.mean(needed_by_grid)
    # 95 % nominal: no fewer than the 1-in-1,000 quantile of the binomial; the benchmark has the coverage itself.
    assert sum(covers for _, covers in found) >= binom.ppf(0.001, 12, 0.95)


def test_information_is_what_enumeration_gives():
    """Mutual information by its definition, entropy of the limit before minus after, on the belief's own grid."""
    belief = Belief.prior(LOW, HIGH).after(50, True).after(120, False)

    def entropy_of_limit(b: Belief) -> float:
        weights = np.exp(b.log_posterior - b.log_posterior.max())
        limit = weights.sum(axis=1) / weights.sum()
        return float(-(limit * np.log(np.where(limit > 0, limit, 1))).sum())

    weights = np.exp(belief.log_posterior - belief.log_posterior.max())
    weights /= weights.sum()
    slope = np.exp(np.linspace(*(np.log(8.0) + np.array([-2.5, 2.5]) * SLOPE_LOG_SD), weights.shape[1]))
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


def test_outside_the_range_needs_six_of_six_at_its_end():
    for trained, verdict in ((True, "beyond"), (False, "below")):
        end = 110 if trained else 8
        few = find_frontier(WIDTH, [end] * 5, [trained] * 5, list(range(5)), (8, 110))
        assert few.verdict == "open"
        enough = find_frontier(WIDTH, [end] * 6, [trained] * 6, list(range(6)), (8, 110))
        assert (enough.verdict, enough.limit) == (verdict, None)
        # The end of the depths tried is not that of the range.
        assert find_frontier(WIDTH, [56] * 6, [trained] * 6, list(range(6)), (8, 110)).verdict == "open"


def test_nothing_finished_is_open():
    assert find_frontier(WIDTH, [], [], [], (8, 110)).width == np.inf


@pytest.mark.parametrize(("low", "high"), [(0, 10), (10, 10), (20, 10)])
def test_bad_ranges(low, high):
    with pytest.raises(ValueError, match="allowed: 0 < low < high"):
        Belief.prior(low, high)
