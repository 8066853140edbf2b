"""The order of measured limits against the predicted one: known orders, censoring, strata, and chance."""

import itertools
import math

import numpy as np
import pytest

from skipray.analysis.limit_order import order_of_limits, words
from skipray.analysis.predicted_limit import PredictedLimit
from skipray.spec import Group
from skipray.trends import DepthCount, Limit, trainability_limit

TRIED = (8, 16, 32, 64)


def limit(depth: float) -> Limit:
    """As four seeds at each depth tried would give it."""
    return trainability_limit(
        [d for d in TRIED for _ in range(4)],
        [d < depth for d in TRIED for _ in range(4)],
        seed=[*range(4)] * len(TRIED),
    )


def group(gain: float, rate: float = 0.1) -> Group:
    return Group("plainnet", (("weight_gain", gain), ("learning_rate", rate)))


def test_the_same_order_at_two_learning_rates() -> None:
    predicted = {
        g: PredictedLimit(d)
        for r in (0.1, 0.2)
        for g, d in ((group(1, r), 22.0), (group(2, r), 47.0), (group(3, r), math.inf))
    }
    measured = {g: limit({1: 10, 2: 20, 3: 40}[int(g.values["weight_gain"])]) for g in predicted}  # type: ignore[arg-type]
    found = order_of_limits(measured, predicted)
    assert found is not None
    assert (found.tau, found.with_it, found.against, found.tied) == (1.0, 6, 0, 0)
    assert (found.networks, found.strata, found.exact) == (3, 2, True)
    assert found.p == pytest.approx(1 / 6), "one of the six orders of three networks, however many strata repeat it"
    assert "6 of 6 pairs as predicted" in words(found)
    turned = order_of_limits(
        {g: measured[group(4 - g.values["weight_gain"], g.values["learning_rate"])] for g in predicted}, predicted
    )  # type: ignore[operator]
    assert turned is not None
    assert (turned.tau, turned.p) == (-1.0, 1.0)


def test_groups_of_different_learning_rates_are_never_compared() -> None:
    predicted = {group(1, 0.1): PredictedLimit(22.0), group(2, 0.2): PredictedLimit(47.0)}
    assert order_of_limits({g: limit(20) for g in predicted}, predicted) is None


def test_limits_beyond_the_depths_tried_settle_what_they_can() -> None:
    predicted = {group(g): PredictedLimit(d) for g, d in ((1, 10.0), (2, 40.0), (3, 80.0))}
    measured = {group(1): limit(12), group(2): limit(100), group(3): limit(200)}
    assert measured[group(2)].censored == "above"
    found = order_of_limits(measured, predicted)
    assert found is not None
    assert (found.with_it, found.against, found.tied) == (2, 0, 1), "two limits beyond 64 are not told apart"
    assert "1 not told apart" in words(found)
    below = order_of_limits({**measured, group(1): limit(2)}, predicted)
    assert below is not None
    assert below.with_it == 2


def test_what_has_no_limit_or_no_prediction_is_left_out() -> None:
    predicted = {group(g): PredictedLimit(d) for g, d in ((1, 10.0), (2, 40.0), (3, None), (4, 80.0))}
    risen = Limit(None, None, None, "none", monotone=False, counts=(DepthCount(8, 0, 3),))
    measured = {group(1): limit(12), group(2): limit(20), group(3): limit(40), group(4): risen}
    found = order_of_limits(measured, predicted)
    assert found is not None
    assert found.networks == 2
    assert order_of_limits({}, predicted) is None


def test_p_of_unrelated_limits_is_uniform_and_exact_and_sampled_ones_agree() -> None:
    random = np.random.default_rng(0)
    depths = [10.0, 20.0, 30.0, 40.0, 50.0]
    predicted = {group(g): PredictedLimit(d) for g, d in enumerate(depths)}
    found = []
    for order in itertools.islice((random.permutation(5) for _ in range(60)), 60):
        measured = {
            group(g): Limit(depths[i], None, None, "none", counts=(DepthCount(8, 1, 3),)) for g, i in enumerate(order)
        }
        one = order_of_limits(measured, predicted)
        assert one is not None
        assert one.tau == pytest.approx(np.sign(np.subtract.outer(order, order))[np.triu_indices(5, 1)].sum() / -10)
        found.append(one.p)
    assert 0.4 < np.mean(found) < 0.7
    many = {group(g): PredictedLimit(float(g + 1)) for g in range(9)}
    sampled = order_of_limits(
        {g: Limit(p.depth, None, None, "none", counts=(DepthCount(8, 1, 3),)) for g, p in many.items()}, many
    )
    assert sampled is not None
    assert not sampled.exact
    assert 0 < sampled.p < 0.01
