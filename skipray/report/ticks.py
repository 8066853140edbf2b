"""Axes: their limits, and ticks at numbers that people like."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Axis:
    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    scale: Literal["linear", "log"] = "linear"

    def share(self, value: np.ndarray | float) -> np.ndarray:
        """Place of a value between the axis's ends: 0 at low, 1 at high."""
        if self.scale == "log":
            value = np.log(np.maximum(value, 1e-300))
            return (value - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (np.asarray(value, dtype=float) - self.low) / (self.high - self.low)


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
    start = least if low is not None and least >= low else least - room
    end = most if high is not None and most <= high else most + room
    step = _step((end - start) / 5)
    if whole:
        step = max(step, 1.0)
    ticks = np.arange(math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9) + 1) * step
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    large = max(abs(start), abs(end)) >= 1e5
    return Axis(
        label,
        float(start),
        float(end),
        tuple((float(t), number(t) if large else f"{t:.{digits}f}".replace("-", "−")) for t in ticks),
    )


def _step(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 5, 10):
        if rough <= factor * size * 1.0001:
            return factor * size
    return 10 * size


def log_axis(label: str, values: Iterable[float]) -> Axis:
    """A logarithmic axis that holds the positive values, ticks at powers of ten (and at 2 and 5 on a short axis)."""
    found = np.asarray([v for v in values if math.isfinite(v) and v > 0], dtype=float)
    low, high = (found.min(), found.max()) if len(found) else (1.0, 10.0)
    room = max(0.04 * math.log10(high / low), 0.06)
    low, high = low * 10**-room, high * 10**room
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        stride = max(1, math.ceil((last - first) / 5))
        ticks = [(10.0**p, power(p)) for p in range(first, last + 1) if p % stride == 0]
    else:
        marks = [m * 10.0**p for p in range(first - 1, last + 1) for m in (1, 2, 5)]
        ticks = [(m, number(m)) for m in marks if low <= m <= high]
    return Axis(label, float(low), float(high), tuple(ticks), "log")


def depth_axis(depths: Iterable[int]) -> Axis:
    """Depth with ticks at the depths that were tried: logarithmic, since limits and thresholds are judged so."""
    rising = sorted(set(depths)) or [1]
    low, high = rising[0], rising[-1]
    if high > 2.5 * low:
        room = 0.045 * math.log(high / low)
        axis = Axis("depth (weight layers)", low * math.exp(-room), high * math.exp(room), (), "log")
    else:
        room = 0.045 * (high - low) or 1.0
        axis = Axis("depth (weight layers)", low - room, high + room, ())
    kept: list[int] = []
    # From the deep end, which the question is about; a label needs about a thirteenth of the axis.
    for depth in reversed(rising):
        if not kept or axis.share(float(kept[-1])) - axis.share(float(depth)) > 0.075:
            kept.append(depth)
    return Axis(axis.label, axis.low, axis.high, tuple((float(d), str(d)) for d in reversed(kept)), axis.scale)


def power(exponent: int) -> str:
    """`10⁻³`"""
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits, `1.23e5` as `1.23·10⁵`; an en dash for what is absent."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -4 <= size < 5:
        text = f"{value:.{min(max(digits - 1 - size, 0), 6)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return text.replace("-", "−")
    mantissa = f"{value / 10.0**size:.{digits}g}"
    if mantissa in ("10", "-10"):
        mantissa, size = mantissa[:-1], size + 1
    shown = power(size) if mantissa == "1" else f"{mantissa}·{power(size)}"
    return shown.replace("-", "−")
