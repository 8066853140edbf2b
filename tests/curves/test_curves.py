"""Every curve of the catalog: its file's contract, its formula, and its recovery from data that follow it exactly."""

import numpy as np
import pytest

from skipray.curves import formula_value
from skipray.extension import catalog
from skipray.trends import fit_depth_trend

DEPTHS = np.array([8.0, 14, 20, 38, 56, 74, 110, 164])

NAMES = catalog.names("curves")


def formula(name: str, depth: np.ndarray, parameters: dict[str, float]) -> np.ndarray:
    """The curve a second time: the expression that its file gives, beside the basis that is fitted."""
    return formula_value(catalog.find("curves", name), depth, parameters)


@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.catalog
def test_names_of_the_design() -> None:
    wanted = {"constant", "linear", "log_linear", "power_law", "exponential", "logistic", "broken_line"}
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_every_parameter_away_from_the_ends(name: str) -> None:
    curve = catalog.find("curves", name)
    assert set(curve.EXAMPLE) == {*curve.LINEAR, *curve.NONLINEAR}
    for key, limits in zip(curve.NONLINEAR, curve.ranges(DEPTHS), strict=True):
        assert limits.low < curve.EXAMPLE[key] < limits.high


@pytest.mark.parametrize("name", NAMES)
def test_recovers_exact_parameters(name: str) -> None:
    parameters = catalog.find("curves", name).EXAMPLE
    trend = fit_depth_trend(DEPTHS, formula(name, DEPTHS, parameters), curves=[name], resamples=20)
    for key, value in parameters.items():
        assert trend.parameters[key][0] == pytest.approx(value, rel=1e-6), key
    elsewhere = np.array([10.0, 47.0, 150.0])
    mean, low, high = trend.predict(elsewhere)
    assert mean == pytest.approx(formula(name, elsewhere, parameters), rel=1e-6)
    assert low == pytest.approx(mean, abs=1e-6)
    assert high == pytest.approx(mean, abs=1e-6)


@pytest.mark.catalog
@pytest.mark.parametrize("name", NAMES)
def test_exact_data_choose_their_own_curve(name: str) -> None:
    trend = fit_depth_trend(DEPTHS, formula(name, DEPTHS, catalog.find("curves", name).EXAMPLE), resamples=20)
    assert trend.curve == name
    assert sum(trend.weights.values()) == pytest.approx(1.0)
