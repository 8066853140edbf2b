"""Whether a family has one trainability limit: deeper networks that train where shallower ones do not have none."""

import itertools

import numpy as np
import pandas as pd
from scipy.special import gammaln

SURE = 0.01
"""The chance, among all stretches of depths, of so many deeper ones that train, were there a limit."""


def no_limit(trials: pd.DataFrame, cell: np.ndarray) -> str:
    """What says surely that a family trains again at deeper networks than it has failed at, `0 of 15 train at depths 38
    to 74 and 5 of 5 at 110`; empty where nothing does.

    Stretches of depths next to each other are compared, within each combination of factors, by Fisher's exact test.

    Args:
        trials: of the family, `depth` and `trained`.
        cell: (trials,) combination of factors.
    """
    found = [_stretches(trials[np.asarray(cell) == name]) for name in np.unique(cell)]
    pairs = sum(count for count, _ in found)
    p, words = min((of_cell for _, of_cell in found), key=lambda one: one[0], default=(1.0, ""))
    return words if p * pairs <= SURE else ""


def _stretches(trials: pd.DataFrame) -> tuple[int, tuple[float, str]]:
    """How many pairs of stretches there are that meet, and the least (p, words) among those of which the deeper one
    trains more often: hardly any, of a family with a limit."""
    of = trials.groupby("depth")["trained"].agg(["sum", "count"])
    depths = [int(depth) for depth in of.index]
    wins, counts = ([0, *np.cumsum(of[name]).tolist()] for name in ("sum", "count"))
    pairs, least = 0, (1.0, "")
    for first, meet, end in itertools.combinations(range(len(depths) + 1), 3):
        pairs += 1
        a, n, b, m = (x[j] - x[i] for i, j in ((first, meet), (meet, end)) for x in (wins, counts))
        if b * n > a * m and (p := _more_later(a, n, b, m)) < least[0]:
            there, then = _span(depths[first:meet]), _span(depths[meet:end])
            least = p, f"{a} of {n} train at {there} and {b} of {m} at {then}"
    return pairs, least


def _span(depths: list[int]) -> str:
    return f"depth {depths[0]}" if len(depths) == 1 else f"depths {depths[0]} to {depths[-1]}"


def _more_later(a: int, n: int, b: int, m: int) -> float:
    """Fisher's: the chance that of a + b successes at least b are among the m later trials.

    >>> round(_more_later(0, 3, 3, 3), 3), round(_more_later(3, 3, 0, 3), 3)
    (0.05, 1.0)
    """
    whole = a + b
    k = np.arange(b, min(m, whole) + 1)
    return float(min(1.0, np.exp(_log_choose(m, k) + _log_choose(n, whole - k) - _log_choose(n + m, whole)).sum()))


def _log_choose(n: int, k: np.ndarray | int) -> np.ndarray:
    return np.asarray(gammaln(n + 1) - gammaln(np.add(k, 1)) - gammaln(np.subtract(n, k) + 1))
