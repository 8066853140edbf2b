"""A power law's exponent from the upper tail of some values."""

import numpy as np
from numpy.typing import NDArray

FEWEST = 10
"""Values in a spectrum that a fit needs."""


def tail_exponent(values: NDArray[np.float64]) -> float:
    """Exponent of p(x) ~ x^-alpha above the x_min for which the tail fits best (Clauset, Shalizi and Newman 2009).

    By maximum likelihood for each x_min among the values, alpha = 1 + n / sum ln(x / x_min); the best has the smallest
    Kolmogorov-Smirnov distance.

    Args:
        values: positive.
    """
    x = np.sort(values)
    count = len(x)
    logs = np.log(x)
    best, distance = np.nan, np.inf
    for i in range(count - 1):
        n = count - i
        spread = logs[i:].sum() - n * logs[i]
        if spread <= 0:
            continue
        alpha = 1 + n / spread
        found = np.abs(1 - np.exp((1 - alpha) * (logs[i:] - logs[i])) - np.arange(n) / n).max()
        if found < distance:
            best, distance = alpha, found
    return float(best)
