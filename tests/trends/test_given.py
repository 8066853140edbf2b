"""What is no answer to the question asked is refused, and never read as one."""

import numpy as np
import pandas as pd
import pytest

from skipray.claims import change_over_depths, mean_of, mean_over_cells
from skipray.trends import fit_depth_trend, trainability_limit, trainability_shift

DEPTH = np.repeat([8, 20, 38], 3)
FALLS = [1, 1, 1, 1, 1, 0, 0, 0, 0]
SEED = np.tile([0, 1, 2], 3)
VALUE = np.arange(9) / 10


@pytest.mark.parametrize(
    ("trained", "found"),
    [
        ([1, 1, 1, np.nan, np.nan, np.nan, 0, 0, 0], "nan"),
        ([0.9, 0.5, 0.1] * 3, "0.9, 0.5, 0.1"),
        ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], "0.9, 0.8, 0.7 and 6 more"),
        (["True"] * 9, "True"),
        ([True, None] + [False] * 7, "None"),
        (pd.array([True, pd.NA] + [False] * 7, dtype="boolean"), "<NA>"),
        ([2] * 9, "2"),
    ],
)
def test_whether_a_trial_trained_is_yes_or_no(trained, found: str) -> None:
    said = f"found trained with {found}; allowed: booleans, or 0 and 1"
    with pytest.raises(ValueError, match=said):
        trainability_limit(DEPTH, trained)
    with pytest.raises(ValueError, match=said):
        trainability_shift(DEPTH, trained, SEED == 0)
    with pytest.raises(ValueError, match=said.replace("trained", "second")):
        trainability_shift(DEPTH, FALLS, trained)


@pytest.mark.parametrize("kind", [bool, int, float, object])
def test_all_that_says_yes_or_no_is_the_same(kind) -> None:
    given = np.array(FALLS, dtype=bool).astype(kind)
    assert trainability_limit(DEPTH, given) == trainability_limit(DEPTH, np.array(FALLS) > 0)


@pytest.mark.parametrize("seed", [[0, 1, np.nan] * 3, [None] * 9, pd.Series([0, 1, pd.NA] * 3, dtype="Int64")])
def test_a_value_without_a_seed_is_refused(seed) -> None:
    for fitted in (
        lambda: trainability_limit(DEPTH, FALLS, seed=seed),
        lambda: trainability_shift(DEPTH, FALLS, SEED == 0, seed=seed),
        lambda: fit_depth_trend(DEPTH, VALUE, seed=seed),
    ):
        with pytest.raises(ValueError, match="found values without a seed; allowed: a seed for each"):
            fitted()


@pytest.mark.parametrize("censored", [[0.5] + [0] * 8, [np.nan] + [0] * 8, [2] + [0] * 8])
def test_a_value_is_a_bound_or_none(censored) -> None:
    with pytest.raises(ValueError, match=r"found censored with .*; allowed: -1 below, 0, 1 above"):
        fit_depth_trend(DEPTH, VALUE, censored=censored)


def test_what_is_no_number_of_resamples_and_no_parameter() -> None:
    with pytest.raises(ValueError, match=r"found 2\.5 resamples; allowed: a whole number"):
        fit_depth_trend(DEPTH, VALUE, resamples=2.5)
    with pytest.raises(ValueError, match=r"found fixed .*nan.*; allowed: finite numbers"):
        fit_depth_trend(DEPTH, VALUE, fixed={"exponent": np.nan})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_mean_of_what_is_no_number_is_refused(value: float) -> None:
    frame = pd.DataFrame({"depth": DEPTH, "cell": DEPTH, "seed": SEED, "value": [value, *VALUE[1:]]})
    with pytest.raises(ValueError, match="found values that are not finite; allowed: finite ones"):
        mean_over_cells(frame["value"].to_numpy(), DEPTH, SEED)
    with pytest.raises(ValueError, match="found values that are not finite"):
        mean_of(frame, "value")
    with pytest.raises(ValueError, match="found values that are not finite"):
        change_over_depths(frame, np.zeros(9))


def test_a_mean_of_arrays_of_other_lengths_and_of_no_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="of one length"):
        mean_over_cells(VALUE, DEPTH, SEED[:3])
    with pytest.raises(ValueError, match="found values without a seed"):
        mean_over_cells(VALUE, DEPTH, np.where(SEED == 0, np.nan, SEED))
