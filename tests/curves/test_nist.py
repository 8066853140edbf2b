"""NIST's Statistical Reference Datasets (https://www.itl.nist.gov/div898/strd) that our curves can express, to 6
digits.

Nonlinear: DanWood (power law), Misra1a and BoxBOD (exponential approach), Misra1d (logistic in log depth of steepness
1: b1 b2 x / (1 + b2 x)), Rat42 (logistic in x, which is log depth of exp(x)). Linear: Norris, NoInt1, NoInt2.
"""

import math

import numpy as np
import pytest

from skipray.trends import fit_depth_trend

DANWOOD = [(2.138, 1.309), (3.421, 1.471), (3.597, 1.490), (4.340, 1.565), (4.882, 1.611), (5.660, 1.680)]
MISRA1 = [
    (10.07, 77.6), (14.73, 114.9), (17.94, 141.1), (23.93, 190.8), (29.61, 239.9), (35.18, 289.0), (40.02, 332.8),
    (44.82, 378.4), (50.76, 434.8), (55.05, 477.3), (61.01, 536.8), (66.40, 593.1), (75.47, 689.1), (81.78, 760.0),
]  # fmt: skip
BOXBOD = [(109.0, 1.0), (149.0, 2.0), (149.0, 3.0), (191.0, 5.0), (213.0, 7.0), (224.0, 10.0)]
RAT42 = [
    (8.930, 9.0), (10.800, 14.0), (18.590, 21.0), (22.330, 28.0), (39.350, 42.0), (56.110, 57.0), (61.730, 63.0),
    (64.620, 70.0), (67.080, 79.0),
]  # fmt: skip
NORRIS = [
    (0.1, 0.2), (338.8, 337.4), (118.1, 118.2), (888.0, 884.6), (9.2, 10.1), (228.1, 226.5), (668.5, 666.3),
    (998.5, 996.3), (449.1, 448.6), (778.9, 777.0), (559.2, 558.2), (0.3, 0.4), (0.1, 0.6), (778.1, 775.5),
    (668.8, 666.9), (339.3, 338.0), (448.9, 447.5), (10.8, 11.6), (557.7, 556.0), (228.3, 228.1), (998.0, 995.8),
    (888.8, 887.6), (119.6, 120.2), (0.3, 0.3), (0.6, 0.3), (557.6, 556.8), (339.3, 339.1), (888.0, 887.2),
    (998.5, 999.0), (778.9, 779.0), (10.2, 11.1), (117.6, 118.3), (228.9, 229.2), (668.4, 669.1), (449.2, 448.9),
    (0.2, 0.5),
]  # fmt: skip
NOINT1 = [(float(y), float(x)) for x, y in zip(range(60, 71), range(130, 141), strict=True)]
NOINT2 = [(3.0, 4.0), (4.0, 5.0), (4.0, 6.0)]

# name: data (y, x), curve, fixed, certified parameters under our names
CASES = {
    "DanWood": (
        DANWOOD, "power_law", {"offset": 0.0}, {"coefficient": 7.6886226176e-01, "exponent": 3.8604055871e00},
    ),
    "Misra1a": (
        MISRA1, "exponential", {"start": 0.0}, {"asymptote": 2.3894212918e02, "rate": 5.5015643181e-04},
    ),
    "BoxBOD": (
        BOXBOD, "exponential", {"start": 0.0}, {"asymptote": 2.1380940889e02, "rate": 5.4723748542e-01},
    ),
    "Misra1d": (
        MISRA1, "logistic", {"shallow": 0.0, "steepness": 1.0},
        {"deep": 4.3736970754e02, "midpoint": 1 / 3.0227324449e-04},
    ),
    "Norris": (
        NORRIS, "linear", {}, {"intercept": -0.262323073774029, "slope": 1.00211681802045},
    ),
    "NoInt1": (NOINT1, "linear", {"intercept": 0.0}, {"slope": 2.07438016528926}),
    "NoInt2": (NOINT2, "linear", {"intercept": 0.0}, {"slope": 0.727272727272727}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_certified_parameters(name: str) -> None:
    data, curve, fixed, certified = CASES[name]
    y, x = np.array(data).T
    trend = fit_depth_trend(x, y, curves=[curve], fixed=fixed, resamples=50)
    for key, value in certified.items():
        assert trend.parameters[key][0] == pytest.approx(value, rel=1e-6), key
    for key, value in fixed.items():
        assert trend.parameters[key] == (value, value, value)


def test_rat42_through_the_exponential_of_x() -> None:
    y, x = np.array(RAT42).T
    found = fit_depth_trend(np.exp(x), y, curves=["logistic"], fixed={"shallow": 0.0}, resamples=50).parameters
    assert found["deep"][0] == pytest.approx(7.2462237576e01, rel=1e-6)
    assert found["steepness"][0] == pytest.approx(6.7359200066e-02, rel=1e-6)
    assert math.log(found["midpoint"][0]) * found["steepness"][0] == pytest.approx(2.6180768402e00, rel=1e-6)


def test_norris_standard_errors() -> None:
    """The half-width of the intervals is the certified standard error times t's quantile (34 degrees of freedom)."""
    y, x = np.array(NORRIS).T
    found = fit_depth_trend(x, y, curves=["linear"], resamples=20_000).parameters
    for key, error in (("intercept", 0.232818234301152), ("slope", 0.429796848199937e-03)):
        _, low, high = found[key]
        # 2.0322 is t's 97.5 % quantile; 20,000 resamples know it to about 1.5 %.
        assert (high - low) / 2 == pytest.approx(2.0322 * error, rel=0.05)
