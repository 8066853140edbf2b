"""Whether a family has one trainability limit: deeper networks that train where shallower ones do not have none."""

from collections.abc import Iterator

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
    pairs = [pair for name in np.unique(cell) for pair in _pairs(trials[np.asarray(cell) == name])]
    if not pairs:
        return ""
    least = min(pairs, key=lambda pair: pair[0])
    return least[1] if least[0] * len(pairs) <= SURE else ""


def _pairs(trials: pd.DataFrame) -> Iterator[tuple[float, str]]:
    """(p, words) of each two stretches that meet."""
    of = trials.groupby("depth")["trained"].agg(["sum", "count"])
    depths = [int(depth) for depth in of.index]
    wins, counts = of["sum"].to_numpy(dtype=int), of["count"].to_numpy(dtype=int)
    for first in range(len(depths)):
        for meet in range(first + 1, len(depths)):
            for end in range(meet + 1, len(depths) + 1):
                low, high = slice(first, meet), slice(meet, end)
                a, n, b, m = (int(x.sum()) for x in (wins[low], counts[low], wins[high], counts[high]))
                there, then = _span(depths[low]), _span(depths[high])
                yield _more_later(a, n, b, m), f"{a} of {n} train at {there} and {b} of {m} at {then}"


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
    inside = (np.asarray(k) >= 0) & (np.asarray(k) <= n)
    k = np.where(inside, k, 0)
    return np.where(inside, gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), -np.inf)
