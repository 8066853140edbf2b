"""Depth trends: arguments, choice, intervals, censoring and the trainability limit, on synthetic sweeps.

Coverage is checked here on few repetitions with binomial tolerance; tests/benchmarks/bench_coverage.py has the table.
"""

import itertools
import pickle
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import optimize, stats

from skipray.trends import (
    DepthSeries,
    Shift,
    fit_depth_trend,
    fit_depth_trends,
    trainability_limit,
    trainability_shift,
)
from skipray.trends.depth_trend import simultaneous_bands
from skipray.trends.design import build_design, with_seed_effects
from skipray.trends.variances import estimate_variances

DEPTHS = np.array([8.0, 20, 38, 56, 74, 110])


def sweep(mean, seeds: int, noise: float, effect: float, rng: np.random.Generator, depths=DEPTHS):
    """depth, value, seed of one synthetic sweep: mean(depth) + seed effect + noise."""
    depth, seed = np.repeat(depths, seeds), np.tile(np.arange(seeds), len(depths))
    value = mean(depth) + (effect * rng.standard_normal(seeds))[seed] + noise * rng.standard_normal(len(depth))
    return depth, value, seed


def enough(hits: int, repetitions: int, share: float = 0.95) -> bool:
    """Within three binomial standard errors of the nominal share."""
    return abs(hits / repetitions - share) <= 3 * np.sqrt(share * (1 - share) / repetitions)


def fall(depth):
    return 0.1 + 0.9 / (1 + (depth / 38) ** 5)


def decay(depth):
    return 1.0 + 5.0 * np.exp(-0.05 * depth)


def test_same_arguments_give_the_same_trend() -> None:
    # With ten seeds the bootstrap's reach over all depths is above t's at one, so that its seed shows.
    depth, value, seed = sweep(fall, 10, 0.05, 0.05, np.random.default_rng(0))
    one, two = (fit_depth_trend(depth, value, seed=seed, resamples=200, resampling_seed=7) for _ in range(2))
    other = fit_depth_trend(depth, value, seed=seed, resamples=200, resampling_seed=8)
    assert one.parameters == two.parameters
    assert np.array_equal(one.predict(DEPTHS), two.predict(DEPTHS))
    assert np.array_equal(one.simultaneous(DEPTHS), two.simultaneous(DEPTHS))
    assert not np.array_equal(one.simultaneous(DEPTHS), other.simultaneous(DEPTHS))
    assert pickle.loads(pickle.dumps(one)).parameters == one.parameters


def test_a_trend_is_the_same_whatever_is_fitted_with_it() -> None:
    rng = np.random.default_rng(11)
    depth, value, seed = sweep(fall, 3, 0.05, 0.05, rng)
    other = sweep(decay, 3, 0.1, 0.2, rng)
    deeper = sweep(fall, 4, 0.02, 0.0, rng, depths=np.array([4.0, 9, 16, 25]))
    kept = rng.permutation(len(depth))[:-2]  # unbalanced: seeds and depths are no longer orthogonal
    low = np.maximum(value, 0.2)
    series = [
        DepthSeries(depth, value, seed=seed),
        DepthSeries(depth[kept], value[kept], seed=seed[kept], bounds=(0, 1)),
        DepthSeries(*other[:2], seed=other[2]),
        DepthSeries(depth, low, np.where(value < 0.2, -1, 0), seed),
        DepthSeries([8.0, 8.0], [1.0, 2.0]),
        DepthSeries(*deeper[:2], seed=deeper[2]),
        DepthSeries(depth[kept], other[1][kept]),
        DepthSeries(depth, np.maximum(value, 0.4), np.where(value < 0.4, -1, 0), seed, (0, 1)),
        DepthSeries(depth, np.minimum(other[1], 1.5), np.where(other[1] > 1.5, 1, 0), seed),
        DepthSeries(depth, low, np.where(value < 0.2, -1, 0)),
    ]
    curves = ["constant", "linear", "exponential", "logistic"]
    together = fit_depth_trends(series, curves=curves, resamples=50)
    fitted = [trend for trend in together if trend.curve is not None]
    bands = iter(simultaneous_bands([(trend, DEPTHS) for trend in fitted]))
    for one, trend in zip(series, together, strict=True):
        alone = fit_depth_trend(
            one.depth, one.value, censored=one.censored, seed=one.seed, bounds=one.bounds, curves=curves, resamples=50
        )
        assert (alone.parameters, alone.weights, alone.notes) == (trend.parameters, trend.weights, trend.notes)
        assert alone.left_out_error == trend.left_out_error
        if trend.curve is not None:
            assert np.array_equal(alone.simultaneous(DEPTHS), trend.simultaneous(DEPTHS))
            assert np.array_equal(next(bands), trend.simultaneous(DEPTHS))
    assert {trend.curve is None for trend in together} == {False, True}


def test_the_mean_alone_is_that_of_the_prediction_within_the_bounds() -> None:
    depth, seed = np.repeat([8.0, 20.0, 38.0, 74.0], 3), np.tile(np.arange(3), 4)
    value = 0.6 + 0.11 * np.log(depth / 8) + 0.02 * np.random.default_rng(0).standard_normal(12)
    trend = fit_depth_trend(depth, value, seed=seed, resamples=20, bounds=(0.0, 0.8))
    at = [8.0, 30.0, 74.0]
    np.testing.assert_allclose(trend.mean(at), trend.predict(at)[0])
    assert trend.mean([74.0])[0] == 0.8


def test_order_of_the_values_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    depth, value, seed = sweep(decay, 3, 0.1, 0.1, rng)
    order = rng.permutation(len(depth))
    one = fit_depth_trend(depth, value, seed=seed, curves=["exponential"], resamples=20)
    two = fit_depth_trend(depth[order], value[order], seed=seed[order], curves=["exponential"], resamples=20)
    for name, (estimate, _, _) in one.parameters.items():
        assert two.parameters[name][0] == pytest.approx(estimate, rel=1e-6)


@pytest.mark.parametrize(
    ("keywords", "match"),
    [
        ({"value": [1.0]}, "one length"),
        ({"value": [1.0, np.nan, 2.0]}, "not finite"),
        ({"depth": [0.0, 1.0, 2.0]}, "not positive"),
        ({"censored": [0, 2, 0]}, "-1 below, 0, 1 above"),
        ({"seed": [1, 2]}, "one length"),
        ({"curves": ["logistik"]}, "did you mean logistic"),
        ({"fixed": {"ofset": 0.0}}, "fixed ofset"),
        ({"depth": [], "value": []}, "no values"),
        ({"resamples": 0}, "0 resamples"),
    ],
)
def test_bad_arguments(keywords, match) -> None:
    arguments = {"depth": [8.0, 20.0, 38.0], "value": [1.0, 2.0, 3.0]} | keywords
    with pytest.raises(ValueError, match=match):
        fit_depth_trend(arguments.pop("depth"), arguments.pop("value"), **arguments)


def test_too_few_depths() -> None:
    trend = fit_depth_trend([8, 8, 20, 20], [1.0, 1.1, 2.0, 2.1], seed=[0, 1, 0, 1])
    assert trend.verdict == "too few depths"
    assert trend.curve is None
    assert not trend.parameters
    with pytest.raises(ValueError, match="too few depths"):
        trend.predict([8])


def test_curves_that_these_depths_cannot_support_are_named() -> None:
    depth, value, seed = sweep(decay, 5, 0.1, 0.0, np.random.default_rng(0), DEPTHS[:4])
    trend = fit_depth_trend(depth, value, seed=seed, resamples=20)
    assert "logistic" not in trend.weights
    assert any("broken_line, logistic" in note for note in trend.notes)


def test_no_curve_fits_a_zigzag() -> None:
    def zigzag(depth):
        return np.where(np.isin(depth, DEPTHS[::2]), 0.0, 5.0)

    depth, value, seed = sweep(zigzag, 4, 0.05, 0.0, np.random.default_rng(0))
    trend = fit_depth_trend(depth, value, seed=seed, resamples=20)
    assert trend.verdict == "no curve fits"
    assert trend.lack_of_fit is not None
    assert trend.lack_of_fit < 1e-6


def test_left_out_error_prefers_the_right_curve() -> None:
    depth, value, seed = sweep(fall, 5, 0.02, 0.0, np.random.default_rng(0))
    trend = fit_depth_trend(depth, value, seed=seed, resamples=20)
    assert trend.curve == trend.verdict == "logistic"
    assert min(trend.left_out_error, key=trend.left_out_error.__getitem__) == "logistic"


def test_left_out_error_by_hand() -> None:
    """A constant's error at a left-out depth is its distance from the mean of the other depths' means."""
    value = np.array([1.0, 2.0, 4.0, 7.0])
    trend = fit_depth_trend([8, 20, 38, 56], value, curves=["constant"], resamples=20)
    errors = [value[i] - np.delete(value, i).mean() for i in range(4)]
    assert trend.left_out_error["constant"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))


def test_agrees_with_curve_fit() -> None:
    """Without seeds and with equal variances the estimates are ordinary least squares."""
    depth, value, _ = sweep(decay, 1, 0.1, 0.0, np.random.default_rng(3))
    mine = fit_depth_trend(depth, value, curves=["exponential"], resamples=20).parameters

    def formula(x, start, asymptote, rate):
        return asymptote + (start - asymptote) * np.exp(-rate * x)

    other, _ = optimize.curve_fit(formula, depth, value, p0=(6, 1, 0.05))
    assert [mine[k][0] for k in ("start", "asymptote", "rate")] == pytest.approx(other, rel=1e-5)


def test_line_with_seeds_is_the_t_interval_of_per_seed_lines() -> None:
    """Balanced, equal variances: the slope's interval is that of the mean of the seeds' own slopes, t on seeds - 1."""
    depth, seed = np.repeat(DEPTHS, 4), np.tile(np.arange(4), 6)
    # The same spread at every depth, so that the pooled variance function is flat and the weights are equal.
    scatter = np.stack([np.roll([-1.0, 0.2, 0.3, 0.5], k) for k in (0, 1, 3, 2, 1, 2)]).ravel()
    value = 1 + 0.02 * depth + scatter
    slopes = np.array([np.polyfit(depth[seed == s], value[seed == s], 1)[0] for s in range(4)])
    reach = stats.t.ppf(0.975, 3) * slopes.std(ddof=1) / 2
    found = fit_depth_trend(depth, value, seed=seed, curves=["linear"]).parameters["slope"]
    assert found[0] == pytest.approx(slopes.mean(), rel=0.02)
    assert (found[2] - found[1]) / 2 == pytest.approx(reach, rel=0.05)


def test_missing_trials_do_not_move_a_line_by_their_seed_effects() -> None:
    """Seed 0 lies far above the others and misses the deepest depths: a fit that ignored seeds would see a fall."""
    rng = np.random.default_rng(0)
    depth, value, seed = sweep(lambda d: 0 * d + 1.0, 3, 0.01, 0.0, rng)
    value = value + np.where(seed == 0, 3.0, 0.0)
    keep = ~((seed == 0) & (depth > 50))
    trend = fit_depth_trend(depth[keep], value[keep], seed=seed[keep], curves=["linear"], resamples=50)
    assert abs(trend.parameters["slope"][0]) < 1e-3
    naive = np.polyfit(depth[keep], value[keep], 1)[0]
    assert naive < -0.01


@pytest.mark.parametrize(("seeds", "effect"), [(3, 0.0), (3, 2.0), (5, 1.0), (10, 0.0)])
def test_line_intervals_cover(seeds: int, effect: float) -> None:
    rng = np.random.default_rng([seeds, int(effect)])
    at = np.array([8.0, 110.0])
    hits = np.zeros(3)
    for _ in range(150):
        depth, value, seed = sweep(lambda d: 1 + 0.02 * d, seeds, 0.1, 0.1 * effect, rng)
        trend = fit_depth_trend(depth, value, seed=seed, curves=["linear"], resamples=300)
        _, low, high = trend.predict(at)
        hits[:2] += (low <= 1 + 0.02 * at) & (1 + 0.02 * at <= high)
        hits[2] += trend.parameters["slope"][1] <= 0.02 <= trend.parameters["slope"][2]
    assert all(enough(int(h), 150) for h in hits), hits


def test_logistic_intervals_cover() -> None:
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(60):
        depth, value, seed = sweep(fall, 5, 0.03, 0.03, rng)
        found = fit_depth_trend(depth, value, seed=seed, curves=["logistic"], resamples=300).parameters["midpoint"]
        hits += found[1] <= 38 <= found[2]
    assert enough(hits, 60)


def test_censored_values_count_by_their_likelihood() -> None:
    """A line cut off at a bound: the slope's interval covers, taking the bound at face value or dropping it does
    not."""
    rng = np.random.default_rng(2)
    hits = 0
    biased = []
    for _ in range(40):
        depth, value, seed = sweep(lambda d: 0.1 * d, 5, 1.0, 0.5, rng)
        cut = np.minimum(value, 5.0)
        censored = (value > 5.0).astype(int)
        found = fit_depth_trend(depth, cut, censored=censored, seed=seed, curves=["linear"], resamples=300).parameters[
            "slope"
        ]
        hits += found[1] <= 0.1 <= found[2]
        biased.append(np.polyfit(depth, cut, 1)[0])
    assert enough(hits, 40)
    assert max(biased) < 0.08


def test_censored_below_mirrors_censored_above() -> None:
    rng = np.random.default_rng(4)
    depth, value, seed = sweep(lambda d: 0.1 * d, 3, 0.5, 0.0, rng)
    cut, censored = np.minimum(value, 6.0), (value > 6.0).astype(int)
    above = fit_depth_trend(depth, cut, censored=censored, seed=seed, curves=["linear"], resamples=20)
    below = fit_depth_trend(depth, -cut, censored=-censored, seed=seed, curves=["linear"], resamples=20)
    assert below.parameters["slope"][0] == pytest.approx(-above.parameters["slope"][0], rel=1e-5)


def test_tobit_estimates_maximise_the_likelihood() -> None:
    """Against a direct maximisation of the Tobit likelihood with scipy."""
    rng = np.random.default_rng(6)
    depth, value, _ = sweep(lambda d: 0.1 * d, 3, 1.0, 0.0, rng)
    cut, censored = np.minimum(value, 5.0), (value > 5.0).astype(int)

    def loss(p):
        mean, spread = p[0] + p[1] * depth, np.exp(p[2])
        inside = stats.norm.logpdf(cut, mean, spread)
        return -np.sum(np.where(censored == 1, stats.norm.logsf(cut, mean, spread), inside))

    best = optimize.minimize(loss, [0.0, 0.1, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    mine = fit_depth_trend(depth, cut, censored=censored, curves=["linear"], resamples=20).parameters
    assert [mine["intercept"][0], mine["slope"][0]] == pytest.approx(best.x[:2], rel=1e-4, abs=1e-5)


def test_a_plateau_beyond_the_bound_is_left_open() -> None:
    """No value shows how far a threshold rises that passes the bound: no finite limit would be honest."""
    rng = np.random.default_rng(1)
    depth, value, seed = sweep(lambda d: 7 / (1 + (d / 60) ** -4.0), 5, 0.1, 0.0, rng)
    cut, censored = np.minimum(value, 3.0), (value > 3.0).astype(int)
    found = fit_depth_trend(depth, cut, censored=censored, seed=seed, curves=["logistic"]).parameters
    assert found["midpoint"][2] == np.inf
    assert found["midpoint"][1] > 30
    assert found["deep"][1] > 2.9
    assert found["shallow"][2] - found["shallow"][1] < 0.5


@pytest.mark.parametrize("curve", ["exponential", "logistic"])
def test_censored_intervals_cover(curve: str) -> None:
    """30 % of the values beyond a bound, seed effects, noise that grows with depth."""
    rng = np.random.default_rng(21)
    mean = {"exponential": decay, "logistic": fall}[curve]
    truth = {"exponential": {"asymptote": 1.0, "rate": 0.05}, "logistic": {"shallow": 1.0, "midpoint": 38.0}}[curve]
    hits = np.zeros((12, len(truth)))
    for one in hits:
        depth, value, seed = sweep(mean, 4, 0.0, 0.05, rng)
        value = value + 0.04 * np.sqrt(depth / 38) * rng.standard_normal(len(depth))
        bound = np.quantile(value, 0.7 if curve == "exponential" else 0.3)
        side = 1 if curve == "exponential" else -1
        censored = side * (side * value > side * bound)
        cut = np.minimum(value, bound) if side > 0 else np.maximum(value, bound)
        found = fit_depth_trend(depth, cut, censored=censored, seed=seed, curves=[curve], resamples=2).parameters
        one[:] = [found[k][1] <= v <= found[k][2] for k, v in truth.items()]
    assert enough(int(hits.sum()), hits.size)


@pytest.mark.parametrize(("unit", "bound"), [(1e-30, 0.3), (1e30, None), (1e300, None)])
def test_the_unit_of_the_values_does_not_matter(unit: float, bound: float | None) -> None:
    depth, value, seed = sweep(fall, 3, 0.03, 0.03, np.random.default_rng(0))
    censored = np.zeros(len(value), dtype=int)
    if bound is not None:
        censored, value = -(value < bound).astype(int), np.maximum(value, bound)
    keywords = {"censored": censored, "seed": seed, "curves": ["linear", "logistic"], "resamples": 20}
    one, two = (fit_depth_trend(depth, u * value, **keywords) for u in (1.0, unit))
    assert one.curve == two.curve == "logistic"
    assert two.parameters["midpoint"] == pytest.approx(one.parameters["midpoint"], rel=1e-3)
    assert np.divide(two.parameters["shallow"], unit) == pytest.approx(one.parameters["shallow"], rel=1e-3)
    assert np.divide(two.predict([30.0]), unit) == pytest.approx(np.array(one.predict([30.0])), rel=1e-3)
    held = fit_depth_trend(depth, unit * value, fixed={"deep": 0.1 * unit}, **keywords)
    assert held.parameters["deep"] == pytest.approx((0.1 * unit,) * 3)
    assert held.parameters["midpoint"][0] == pytest.approx(38, rel=0.1)


def test_a_level_at_one_depth_has_the_interval_of_a_mean() -> None:
    value = np.random.default_rng(0).standard_normal(5)
    trend = fit_depth_trend(np.full(5, 8.0), value, seed=np.arange(5), curves=["constant"])
    reach = stats.t.ppf(0.975, 4) * value.std(ddof=1) / np.sqrt(5)
    assert trend.parameters["level"] == pytest.approx((value.mean(), value.mean() - reach, value.mean() + reach))


def test_without_spread() -> None:
    """Equal values are a constant; with bounds beside them nothing tells how far beyond a bound the truth may lie."""
    seed = np.tile(np.arange(3), 6)
    depth = np.repeat(DEPTHS, 3)
    assert fit_depth_trend(depth, np.ones(18), seed=seed).parameters["level"] == pytest.approx((1, 1, 1))
    bounded = fit_depth_trend(depth, np.ones(18), seed=seed, censored=(depth > 50).astype(int))
    assert (bounded.verdict, bounded.curve) == ("no curve fits", None)
    assert any("all equal" in note for note in bounded.notes)
    none = fit_depth_trend(depth, np.ones(18), seed=seed, censored=np.ones(18, dtype=int))
    assert none.verdict == "too few depths"
    assert "0 uncensored values" in none.notes


def test_averaged_mean_lies_within_its_limits() -> None:
    depth, seed = np.repeat(DEPTHS, 3), np.tile(np.arange(3), 6)
    cut = np.minimum(0.1 * depth, 5.0)
    censored = (0.1 * depth > 5).astype(int)
    trend = fit_depth_trend(depth, cut, seed=seed, censored=censored, curves=["linear", "power_law"])
    mean, low, high = trend.predict(DEPTHS)
    assert np.all((low <= mean) & (mean <= high))


def test_simultaneous_bands_of_three_seeds_are_no_wider_than_they_must_be() -> None:
    """The largest of many t values with 2 degrees of freedom is huge: a band's variances have more in common."""
    rng = np.random.default_rng(5)
    grid = np.geomspace(8, 110, 40)
    widths, hits = [], 0
    for _ in range(60):
        depth, value, seed = sweep(fall, 3, 0.03, 0.03, rng)
        trend = fit_depth_trend(depth, value, seed=seed, curves=["logistic"])
        _, low, high = trend.simultaneous(grid)
        hits += bool(np.all((low <= fall(grid)) & (fall(grid) <= high)))
        widths.append(np.median(high - low) / 0.03)
    assert enough(hits, 60)
    # Pointwise, one mean of 3 seeds is known to 4.3 * 2 * sqrt(2 / 3) = 7 of these.
    assert np.median(widths) < 10


def test_simultaneous_bands_are_wider_and_cover_the_whole_curve() -> None:
    rng = np.random.default_rng(9)
    at = np.linspace(8, 110, 12)
    hits = 0
    for _ in range(60):
        depth, value, seed = sweep(decay, 5, 0.1, 0.1, rng)
        trend = fit_depth_trend(depth, value, seed=seed, curves=["exponential"], resamples=300)
        _, low, high = trend.simultaneous(at)
        hits += bool(np.all((low <= decay(at)) & (decay(at) <= high)))
    _, inner_low, inner_high = trend.predict(at)
    assert np.all(high - low > inner_high - inner_low)
    assert enough(hits, 60)


def test_right_curve_is_chosen_or_tied() -> None:
    rng = np.random.default_rng(12)
    right = 0
    truths = {"logistic": fall, "exponential": decay, "linear": lambda d: 0.05 * d, "constant": lambda d: 0 * d}
    for _, (name, mean) in itertools.product(range(10), truths.items()):
        depth, value, seed = sweep(mean, 4, 0.05, 0.05, rng)
        trend = fit_depth_trend(depth, value, seed=seed, resamples=4)
        right += name in trend.tied
    assert right >= 40 * 0.9 - 3 * np.sqrt(40 * 0.9 * 0.1)


def test_own_curve_by_module_and_name(tmp_path, monkeypatch) -> None:
    (tmp_path / "square_root_curve.py").write_text(
        "import numpy as np\n"
        "class root:\n"
        "    LINEAR = {'intercept': 'at depth 0', 'slope': 'a root'}\n"
        "    NONLINEAR = {}\n"
        "    ranges = staticmethod(lambda depth: ())\n"
        "    basis = staticmethod(lambda depth, q: np.stack([np.ones((q.shape[1], len(depth))),\n"
        "                         np.broadcast_to(np.sqrt(depth), (q.shape[1], len(depth)))]))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    trend = fit_depth_trend(
        DEPTHS, 2 + 3 * np.sqrt(DEPTHS), curves=["constant", "square_root_curve:root"], resamples=20
    )
    assert trend.curve == "square_root_curve:root"
    assert trend.parameters["slope"][0] == pytest.approx(3)


def test_a_curve_that_writes_into_the_depths_moves_no_other(tmp_path, monkeypatch) -> None:
    (tmp_path / "writing_curve.py").write_text(
        "import numpy as np\n"
        "class wild:\n"
        "    LINEAR = {'level': 'at each depth'}\n"
        "    NONLINEAR = {}\n"
        "    ranges = staticmethod(lambda depth: depth.fill(1.0) or ())\n"
        "    basis = staticmethod(lambda depth, q: depth.fill(7.0) or np.ones((1, q.shape[1], len(depth))))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    values = 2 + 3 * DEPTHS + np.sin(DEPTHS)
    alone = fit_depth_trend(DEPTHS, values, curves=["linear", "power_law"], resamples=20)
    beside = fit_depth_trend(DEPTHS, values, curves=["writing_curve:wild", "linear", "power_law"], resamples=20)
    assert beside.curve == alone.curve == "linear"
    assert beside.parameters == alone.parameters
    assert beside.left_out_error["power_law"] == alone.left_out_error["power_law"]


class TestLimit:
    seeds = np.tile(np.arange(3), 6)
    depth = np.repeat(DEPTHS, 3)

    def test_separated_classes(self) -> None:
        limit = trainability_limit(self.depth, self.depth < 45, seed=self.seeds)
        assert limit.censored == "none"
        assert limit.low is not None
        assert limit.depth is not None
        assert limit.high is not None
        assert 8 < limit.low <= 38 < limit.depth < 56 <= limit.high < 110

    def test_all_and_none(self) -> None:
        above = trainability_limit(self.depth, self.depth > 0)
        assert (above.depth, above.low, above.high, above.censored) == (None, 74.0, None, "above")
        below = trainability_limit(self.depth, self.depth < 0)
        assert (below.depth, below.low, below.high, below.censored) == (None, None, 20.0, "below")

    def test_mostly_trained_is_beyond_the_deepest(self) -> None:
        trained = np.ones(18, dtype=bool)
        trained[-1] = False
        limit = trainability_limit(self.depth, trained)
        assert limit.censored == "above"
        assert limit.depth is None
        assert limit.low is not None
        assert 8 <= limit.low <= 74

    def test_firth_by_hand(self) -> None:
        """Against a direct maximisation of the penalised likelihood with scipy."""
        rng = np.random.default_rng(3)
        x = np.log(self.depth)
        y = rng.random(18) < 1 / (1 + np.exp(2 * (x - np.log(40))))

        def loss(p):
            eta = p[0] + p[1] * (x - x.mean())
            w = 1 / (2 + np.exp(eta) + np.exp(-eta))
            design = np.stack([np.ones(18), x - x.mean()])
            return -np.sum(y * eta - np.logaddexp(0, eta)) - 0.5 * np.linalg.slogdet((design * w) @ design.T)[1]

        best = optimize.minimize(loss, [0.0, -1.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}).x
        limit = trainability_limit(self.depth, y)
        assert limit.depth == pytest.approx(np.exp(x.mean() - best[0] / best[1]), rel=0.02)

    def test_covers_with_seeds(self) -> None:
        rng = np.random.default_rng(5)
        hits = 0
        for _ in range(60):
            own = np.log(40) + 0.2 * rng.standard_normal(5)
            trained = np.log(DEPTHS)[:, None] < own + 0.2 * rng.standard_normal((6, 5))
            limit = trainability_limit(np.repeat(DEPTHS, 5), trained.ravel(), seed=np.tile(np.arange(5), 6))
            hits += (limit.low or 0) <= 40 <= (limit.high or np.inf)
        # Discrete data: at least the nominal share, less three binomial standard errors.
        assert hits >= 60 * 0.95 - 3 * np.sqrt(60 * 0.95 * 0.05)

    def test_bad_arguments(self) -> None:
        with pytest.raises(ValueError, match="one length"):
            trainability_limit([8, 20], [True])
        with pytest.raises(ValueError, match="no trials"):
            trainability_limit([], [])


class TestShift:
    """Two families of 3 seeds at 6 depths."""

    seeds = np.tile(np.arange(3), 12)
    depth = np.tile(np.repeat(DEPTHS, 3), 2)
    second = np.repeat([False, True], 18)

    def shift(self, first: float, second: float, **options) -> Shift:
        trained = self.depth < np.where(self.second, second, first)
        return trainability_shift(self.depth, trained, self.second, seed=self.seeds, **options)

    def test_a_second_family_that_never_fails_leads_at_least_to_the_deepest(self) -> None:
        found = self.shift(45, 1e9)
        assert 0 < found.low <= found.doublings <= np.log2(110 / 38)
        assert found.high == np.inf
        assert found.p < 0.001

    def test_the_other_way_round_it_is_the_negative(self) -> None:
        there, back = self.shift(30, 90), self.shift(90, 30)
        assert (back.doublings, back.low, back.high) == pytest.approx((-there.doublings, -there.high, -there.low))
        assert back.p == pytest.approx(1 - there.p)
        assert there.doublings == pytest.approx(np.log2(90 / 30), abs=0.3)

    @pytest.mark.parametrize(("first", "second"), [(1e9, 1e9), (1, 1), (45, 45)])
    def test_what_cannot_be_told_apart(self, first: float, second: float) -> None:
        found = self.shift(first, second)
        assert found.doublings == pytest.approx(0, abs=0.05)
        assert found.low < 0 < found.high
        assert found.p == pytest.approx(0.5, abs=0.05)

    def test_firth_by_hand(self) -> None:
        """Against a direct maximisation of the penalised likelihood with scipy: the estimate, and its p."""
        rng = np.random.default_rng(4)
        x, twin = np.log(self.depth), self.second.astype(float)
        y = rng.random(36) < 1 / (1 + np.exp(2 * (x - np.log(40) - 0.5 * twin)))
        design = np.stack([np.ones(36), x - x.mean(), twin])

        def loss(p):
            eta = p @ design
            w = 1 / (2 + np.exp(eta) + np.exp(-eta))
            return -np.sum(y * eta - np.logaddexp(0, eta)) - 0.5 * np.linalg.slogdet((design * w) @ design.T)[1]

        options = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000}
        free = optimize.minimize(loss, [0.0, -1.0, 0.0], method="Nelder-Mead", options=options)
        tied = optimize.minimize(lambda p: loss([*p, 0.0]), [0.0, -1.0], method="Nelder-Mead", options=options)
        found = trainability_shift(self.depth, y, self.second)
        assert found.doublings == pytest.approx(-free.x[2] / free.x[1] / np.log(2), abs=0.03)
        z = np.sign(found.doublings) * np.sqrt(2 * (tied.fun - free.fun))
        assert found.p == pytest.approx(stats.norm.sf(z), rel=0.05)
        assert found.low < found.doublings < found.high

    def test_each_cell_has_a_limit_of_its_own(self) -> None:
        """Limits of 15 and 60 in two cells, and in both twice as far for the second family."""
        cell = np.repeat([0, 1], 36)
        depth, second = np.tile(self.depth, 2), np.tile(self.second, 2)
        rng = np.random.default_rng(1)
        middle = np.log(np.where(cell, 48, 15)) + np.log(2) * second
        trained = rng.random(72) < 1 / (1 + np.exp(6 * (np.log(depth) - middle)))
        found = trainability_shift(depth, trained, second, cell=cell, seed=np.tile(self.seeds, 2))
        assert found.low < 1 < found.high
        assert found.high - found.low < 2
        renamed = trainability_shift(depth, trained, second, cell=np.where(cell, "a", "b"), seed=np.tile(self.seeds, 2))
        assert renamed.doublings == pytest.approx(found.doublings)

    def test_seeds_that_differ_as_wholes_widen_it(self) -> None:
        """Each seed and family has a limit of its own: trials of one say the same."""
        limits = {(False, 0): 30, (False, 1): 45, (False, 2): 90, (True, 0): 90, (True, 1): 45, (True, 2): 1e9}
        own = np.array([limits[key] for key in zip(self.second.tolist(), self.seeds.tolist(), strict=True)])
        trained = self.depth < own
        alone = trainability_shift(self.depth, trained, self.second)
        together = trainability_shift(self.depth, trained, self.second, seed=self.seeds)
        assert together.low < alone.low < alone.doublings
        assert together.p > alone.p

    def test_bad_arguments(self) -> None:
        with pytest.raises(ValueError, match="one length"):
            trainability_shift([8, 20], [True], [True, False])
        with pytest.raises(ValueError, match="one family"):
            trainability_shift([8, 20], [True, False], [True, True])


@pytest.mark.parametrize("seeds", [3, 5])
def test_levels_and_bands_stay_within_the_bounds(seeds: int) -> None:
    rng = np.random.default_rng(1)
    depth, value, seed = sweep(lambda d: np.where(d > 90, 0.95, 1.0), seeds, 0.01, 0.0, rng)
    value = np.minimum(value, 1.0)
    trend = fit_depth_trend(depth, value, seed=seed, bounds=(0, 1))
    fine = np.arange(8.0, 111.0)
    for band in (trend.predict(fine), trend.simultaneous(fine)):
        assert all((part >= 0).all() and (part <= 1).all() for part in band)
    levels = [
        trend.parameters[name]
        for name in ("offset", "shallow", "deep", "level", "asymptote")
        if name in trend.parameters
    ]
    assert all(0 <= x <= 1 for triple in levels for x in triple)
    with pytest.raises(ValueError, match="the lower below the higher"):
        fit_depth_trend(depth, value, bounds=(1, 0))


def forty_fold(seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Forty series (depths, seeds, values) of a line whose three seeds share nothing and scatter forty times as much at
    the deepest depth."""
    rng = np.random.default_rng(seed)
    depth, seeds = np.repeat(DEPTHS, 3), np.tile(np.arange(3), len(DEPTHS))
    for _ in range(40):
        yield depth, seeds, 1 + 0.02 * depth + 0.02 * (depth / 8) ** 1.4 * rng.standard_normal(len(depth))


def test_weights_follow_noise_that_grows_forty_fold() -> None:
    """The scatter of deep networks, seed by seed, must not leak into the variances of shallow ones."""
    powers = []
    for depth, seed, value in forty_fold(3):
        relative = estimate_variances(build_design(depth, seed), value).relative
        powers.append(np.log(relative[-1] / relative[0]) / np.log(depth[-1] / depth[0]))
    assert np.mean(powers) == pytest.approx(2.8, abs=0.6)


def test_scatter_of_deep_networks_is_no_seed_effect() -> None:
    """It must not widen the bands of shallow ones."""
    found = []
    for depth, seed, value in forty_fold(4):
        design = build_design(depth, seed, estimate_variances(build_design(depth, seed), value))
        found.append(np.sqrt(with_seed_effects(design, value).seed_variance))
    assert np.median(found) < 0.02  # the noise of the shallowest; taken with even weights 0.15


def test_allowed_variances_hold_what_a_cliff_shows() -> None:
    """Where nothing scatters up to a cliff, the shallow depths are not told to differ hundreds of times."""
    rng = np.random.default_rng(5)
    depth, seed = np.repeat(DEPTHS, 5), np.tile(np.arange(5), len(DEPTHS))
    steps, sums = [], []
    for _ in range(20):
        value = np.where(depth > 90, 0.9, 0.995) + np.where(depth > 90, 0.03, 0.0005) * rng.standard_normal(len(depth))
        found = estimate_variances(build_design(depth, seed), value)
        steps.append(found.relative[2] / found.relative[0])
        sums.append(found.probability.sum())
    assert np.median(steps) < 5  # depth 38 to 8; a bare power of depth gives hundreds
    assert sums == pytest.approx([1.0] * 20)


@pytest.mark.parametrize("truth", [lambda d: 1.25 - 0.3 * d**0.2, lambda d: -0.2 + 1.9 * d**-0.35])
def test_parameters_give_the_curve_also_where_it_would_run_out_of_bounds(truth) -> None:
    """An offset that no accuracy can have is that of the curve all the same: cut, it would give another one."""
    rng = np.random.default_rng(0)
    depth = np.repeat([2.0, 4.0, 8.0, 16.0, 32.0, 64.0], 4)
    value = truth(depth) + 0.002 * rng.standard_normal(len(depth))
    trend = fit_depth_trend(depth, value, seed=np.tile(np.arange(4), 6), curves=["power_law"], bounds=(0, 1))
    of = {name: triple[0] for name, triple in trend.parameters.items()}
    curve = of["offset"] + of["coefficient"] * depth ** of["exponent"]
    assert np.abs(curve - truth(depth)).max() < 0.005
    assert all(low <= estimate <= high for estimate, low, high in trend.parameters.values())
    assert not 0 <= of["offset"] <= 1
    assert any(note.startswith("offset ") and "no value that there can be" in note for note in trend.notes)
