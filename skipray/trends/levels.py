"""Levels: parameters of a curve that are values which it runs into, such as an offset."""

import numpy as np

from skipray.trends.fitted import FittedCurve

Triple = tuple[float, float, float]
"""Estimate, and the ends of its interval."""


def cut_levels(fit: FittedCurve, parameters: dict[str, Triple], bounds: tuple[float, float]) -> dict[str, Triple]:
    """The parameters, the intervals of levels cut at the value's bounds. Not the estimates: with another one the
    formula would give another curve."""
    levels = getattr(fit.bound.entry, "LEVELS", ())

    def cut(value: float, low: float, high: float) -> Triple:
        return value, min(value, float(np.clip(low, *bounds))), max(value, float(np.clip(high, *bounds)))

    return {name: cut(*triple) if name in levels else triple for name, triple in parameters.items()}


def notes_of_levels(fit: FittedCurve, parameters: dict[str, Triple], bounds: tuple[float, float]) -> list[str]:
    """What to say of levels that no value can have: the curve ends before it would run into them."""
    low, high = bounds
    return [
        f"{name} {parameters[name][0]:.3g} is no value that there can be: the curve holds for the depths tried alone"
        for name in getattr(fit.bound.entry, "LEVELS", ())
        if not low <= parameters[name][0] <= high
    ]
