"""One curve fitted to one series: estimates, AICc, intervals."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from skipray.curves import Array
from skipray.trends.bound_curve import BoundCurve
from skipray.trends.in_step import Search

END_SHARE = 1e-3
"""Of a range: an estimate this near to its end is at the end."""


LimitsFound = tuple[Array, Array]
"""Lower and upper."""


class Limits(Protocol):
    """95 % limits of what a fitted curve says; -inf or inf where the data set none. They are searches, so that those of
    many fits go side by side."""

    def of_parameters(self) -> Search[LimitsFound]:
        """(P,) lower and upper, linear parameters first, nonlinear ones in internal coordinates."""

    def of_means(self, at: Array, simultaneous: bool) -> Search[LimitsFound]:
        """(depths,) lower and upper limits of the mean at each depth, or of all of them at once."""


@dataclass(frozen=True)
class FittedCurve:
    bound: BoundCurve
    linear: Array
    """(L, 1)."""
    inner: Array
    """(Q, 1)."""
    squares: Array | float
    """Weighted squares of the adjusted depth means about the curve."""
    aicc: float
    """Corrected Akaike criterion, up to a constant of the series; infinite where there are too few values for it."""
    limits: Limits = field(repr=False)

    @property
    def name(self) -> str:
        return self.bound.name

    def intervals(self, unit: float, found: LimitsFound) -> dict[str, tuple[float, float, float]]:
        """Name -> (estimate, low, high), 95 %, in the order of the curve's file; of values in this unit.

        Args:
            found: the limits of the parameters.
        """
        estimate = np.concatenate([self.linear, self.inner])[:, 0]
        limits = around(estimate, *found)
        out = {}
        for k, name in enumerate((*self.bound.linear, *self.bound.nonlinear)):
            triple = limits[:, k] * unit if k < len(self.bound.linear) else limits[:, k]
            if self.bound.positive[k]:
                with np.errstate(over="ignore"):
                    triple = np.exp(triple)
            out[name] = (float(triple[0]), float(triple[1]), float(triple[2]))
        for name, value in self.bound.fixed.items():
            known = value * unit if name in self.bound.entry.LINEAR else value
            out[name] = (known, known, known)
        return {n: out[n] for n in (*self.bound.entry.LINEAR, *self.bound.entry.NONLINEAR)}

    def at_end(self) -> list[str]:
        """Names of the nonlinear parameters whose estimate is an end of the range that is searched."""
        low, high = self.bound.bounds
        near = END_SHARE * (high - low)
        value = self.inner[:, 0]
        return [
            n for n, at in zip(self.bound.nonlinear, (value <= low + near) | (value >= high - near), strict=True) if at
        ]

    def band(self, at: Array, found: LimitsFound) -> Array:
        """(3, depths): mean, low and high; found: the limits of the means."""
        mean = self.bound.value(at, self.linear, self.inner)[0]
        return around(mean, *found)


def around(estimate: Array, low: Array, high: Array) -> Array:
    """(3, K): estimate, low and high. Limits come from a search or a likelihood of their own, so that they can miss the
    estimate by a little where the interval is hardly wider than that."""
    return np.stack([estimate, np.minimum(low, estimate), np.maximum(high, estimate)])


def corrected_akaike(total: float, count: int, size: int) -> float:
    k = size + 1
    if count - k - 1 <= 0:
        return float("inf")
    return count * float(np.log(total / count)) + 2 * k + 2 * k * (k + 1) / (count - k - 1)
