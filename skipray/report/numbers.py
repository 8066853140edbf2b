"""Numbers as text: as many digits as mean something."""

import math

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

ABSENT = "–"
LEAST = 1e-300
"""What is smaller has no power of ten to be divided by."""
ROUNDING = 1e-9
"""Ends of an interval that lie closer, relative to themselves, are one number."""


def power(exponent: int) -> str:
    """`10⁻³`"""
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def beside(value: float | None, low: float | None, high: float | None) -> str:
    """A value in the digits of its interval, and 0 where it is nothing beside it: 3.8e-15 between −0.1 and 0.1."""
    if value is None or low is None or high is None or not math.isfinite(high - low):
        return number(value, 2)
    return number(value if abs(value) > (high - low) / 1000 else 0.0, digits_between(low, high))


def digits_between(low: float, high: float) -> int:
    """Two digits, or up to five, as tell the ends of an interval apart: 2.79 to 2.8 is not 2.8 to 2.8."""
    width, largest = high - low, max(abs(low), abs(high))
    if not math.isfinite(width) or width <= ROUNDING * largest:
        return 2
    return min(max(2, math.floor(math.log10(largest)) - math.floor(math.log10(width)) + 1), 5)


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits, `1.23e5` as `1.23·10⁵`; an en dash for what is absent."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if abs(value) < LEAST:
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
