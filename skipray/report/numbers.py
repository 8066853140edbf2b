"""Numbers as text: as many digits as mean something."""

import math

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

ABSENT = "–"


def power(exponent: int) -> str:
    """`10⁻³`"""
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def beside(value: float | None, low: float | None, high: float | None) -> str:
    """A value in two digits, and 0 where it is nothing beside its interval: 3.8e-15 between −0.1 and 0.1."""
    if value is None or low is None or high is None or not math.isfinite(high - low):
        return number(value, 2)
    return number(value if abs(value) > (high - low) / 1000 else 0.0, 2)


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits, `1.23e5` as `1.23·10⁵`; an en dash for what is absent."""
    if value is None or not math.isfinite(value):
        return ABSENT
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
