"""Every curve of the catalog: its file's contract, its formula, and its recovery from data that follow it exactly."""

import numpy as np
import pytest

from skipray.extension import catalog
from skipray.trends import fit_depth_trend

DEPTHS = np.array([8.0, 14, 20, 38, 56, 74, 110, 164])

# Each formula a second time, in plain words of its file's docstring, with parameters away from the ends of the ranges.
FORMULAS = {
    "constant": (lambda d, level: level + 0 * d, {"level": 2.5}),
    "linear": (lambda d, intercept, slope: intercept + slope * d, {"intercept": 1.0, "slope": -0.03}),
    "log_linear": (lambda d, intercept, slope: intercept + slope * np.log(d), {"intercept": 1.0, "slope": 0.7}),
    "power_law": (
        lambda d, offset, coefficient, exponent: offset + coefficient * d**exponent,
        {"offset": 1.0, "coefficient": 30.0, "exponent": -1.7},
    ),
    "exponential": (
        lambda d, start, asymptote, rate: asymptote + (start - asymptote) * np.exp(-rate * d),
        {"start": 5.0, "asymptote": 1.0, "rate": 0.04},
    ),
    "logistic": (
        lambda d, shallow, deep, midpoint, steepness: shallow + (deep - shallow) / (1 + (d / midpoint) ** -steepness),
        {"shallow": 0.98, "deep": 0.1, "midpoint": 41.0, "steepness": 4.0},
    ),
    "broken_line": (
        lambda d, level, slope_before, slope_after, knee: (
            level + slope_before * np.minimum(d - knee, 0) + slope_after * np.maximum(d - knee, 0)
        ),
        {"level": 6.0, "slope_before": 0.1, "slope_after": -0.01, "knee": 61.0},
    ),
}


@pytest.mark.parametrize("name", catalog.names("curves"))
def test_contract(name: str) -> None:
    curve = catalog.find("curves", name)
    assert curve.__doc__
    ranges = curve.ranges(DEPTHS)
    assert len(ranges) == len(curve.NONLINEAR)
    assert all(len(meaning) > 0 for meaning in (*curve.LINEAR.values(), *curve.NONLINEAR.values()))
    for limits in ranges:
        assert limits.low < limits.high
        assert limits.low > 0 or limits.scale == "linear"
    middle = np.array([[np.sqrt(r.low * r.high) if r.scale == "log" else 0.5 * (r.low + r.high)] * 3 for r in ranges])
    basis = curve.basis(DEPTHS, middle.reshape(len(ranges), 3))
    assert basis.shape == (len(curve.LINEAR), 3, len(DEPTHS))
    assert np.all(np.isfinite(basis))


def test_names_of_the_design() -> None:
    wanted = {"constant", "linear", "log_linear", "power_law", "exponential", "logistic", "broken_line"}
    assert set(catalog.names("curves")) == wanted == set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_recovers_exact_parameters(name: str) -> None:
    formula, parameters = FORMULAS[name]
    trend = fit_depth_trend(DEPTHS, formula(DEPTHS, **parameters), curves=[name], resamples=20)
    for key, value in parameters.items():
        assert trend.parameters[key][0] == pytest.approx(value, rel=1e-6), key
    mean, low, high = trend.predict([10.0, 47.0, 150.0])
    assert mean == pytest.approx(formula(np.array([10.0, 47.0, 150.0]), **parameters), rel=1e-6)
    assert low == pytest.approx(mean, abs=1e-6)
    assert high == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_exact_data_choose_their_own_curve(name: str) -> None:
    formula, parameters = FORMULAS[name]
    trend = fit_depth_trend(DEPTHS, formula(DEPTHS, **parameters), resamples=20)
    assert trend.curve == name
    assert sum(trend.weights.values()) == pytest.approx(1.0)
