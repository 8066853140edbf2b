"""Axes: which range of values a figure shows. Where its ticks go is the drawing library's to choose."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Axis:
    label: str
    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    at: tuple[float, ...] = ()
    """Where ticks may stand, such as the depths that were tried; left out: anywhere."""
    whole: bool = False
    """Of things that are counted: no tick between two whole numbers."""
    names: tuple[str, ...] = ()
    """Of rows: the axis has a name at 0, 1, 2 and so on, the first at the top."""
    exponent: bool = False
    """Values are logarithms to base 10 and read as what they are logarithms of."""


def linear_axis(
    label: str, values: Iterable[float], *, low: float | None = None, high: float | None = None, whole: bool = False
) -> Axis:
    """An axis that holds the values and, where given, `low` and `high`; `whole`: of things that are counted."""
    found = np.asarray([v for v in values if math.isfinite(v)], dtype=float)
    least = min(found.min() if len(found) else math.inf, math.inf if low is None else low)
    most = max(found.max() if len(found) else -math.inf, -math.inf if high is None else high)
    if not math.isfinite(least) or not math.isfinite(most):
        least, most = 0.0, 1.0
    if most - least <= 1e-12 * max(abs(most), abs(least), 1e-12):
        least, most = least - (abs(least) * 0.1 or 0.5), most + (abs(most) * 0.1 or 0.5)
    room = 0.04 * (most - least)
    # At a natural bound half as much, so that marks on it are whole.
    start = least - (room / 2 if low is not None and least >= low else room)
    end = most + (room / 2 if high is not None and most <= high else room)
    return Axis(label, float(start), float(end), whole=whole)


def log_axis(label: str, values: Iterable[float]) -> Axis:
    """A logarithmic axis that holds the positive values."""
    found = np.asarray([v for v in values if math.isfinite(v) and v > 0], dtype=float)
    low, high = (found.min(), found.max()) if len(found) else (1.0, 10.0)
    room = max(0.04 * math.log10(high / low), 0.06)
    return Axis(label, float(low * 10**-room), float(high * 10**room), "log")


def name_axis(names: Iterable[str]) -> Axis:
    """Rows of names, from the top."""
    rows = tuple(names)
    return Axis("", -0.6, len(rows) - 0.4, names=rows)


def rate_axis(label: str, logarithms: Iterable[float]) -> Axis:
    """An axis of logarithms to base 10 that is read as what they are logarithms of."""
    axis = linear_axis(label, logarithms)
    first, last = math.floor(axis.low), math.ceil(axis.high)
    marks = (1,) if last - first > 3 else (1, 2, 5)
    at = [p + math.log10(m) for p in range(first, last + 1) for m in marks]
    return Axis(label, axis.low, axis.high, at=tuple(v for v in at if axis.low <= v <= axis.high), exponent=True)


def depth_axis(depths: Iterable[int], label: str = "depth") -> Axis:
    """Depth with ticks at the depths that were tried: logarithmic, since limits and thresholds are judged so."""
    rising = sorted(set(depths)) or [1]
    low, high = rising[0], rising[-1]
    at = tuple(map(float, rising))
    if high > 2.5 * low:
        room = 0.045 * math.log(high / low)
        return Axis(label, low * math.exp(-room), high * math.exp(room), "log", at)
    room = 0.045 * (high - low) or 1.0
    return Axis(label, low - room, high + room, at=at)
