"""Values of a factor that are spread evenly over a range."""

from typing import Any, Literal

import numpy as np

from skipray.spec.fields import FactorRange, SearchRange

DIGITS = 6
"""Significant ones of a value: it is written as a person would write it."""


def wrong_end(reach: FactorRange | SearchRange) -> Literal["low", "high"] | None:
    """The end of which a range has none: high, where it is not above low; low, where it is not above 0 on a log scale.

    >>> wrong_end(FactorRange(low=0.0, high=1.0, count=3, scale="log"))
    'low'
    """
    if reach.low >= reach.high:
        return "high"
    return "low" if reach.scale == "log" and reach.low <= 0 else None


def spread(reach: FactorRange, *, whole: bool) -> list[Any]:
    """The values, to 6 significant digits.

    Args:
        whole: both ends are integers: so are those of the values that are whole.

    >>> spread(FactorRange(low=0.001, high=1.0, count=4, scale="log"), whole=False)
    [0.001, 0.01, 0.1, 1.0]
    >>> spread(FactorRange(low=8, high=32, count=4, scale="linear"), whole=True)
    [8, 16, 24, 32]
    """
    over = np.geomspace if reach.scale == "log" else np.linspace
    values = [float(f"{value:.{DIGITS}g}") for value in over(reach.low, reach.high, reach.count)]
    return [int(value) if whole and value.is_integer() else value for value in values]
