"""What one test knows of an effect: one-sided bounds at any level, and p at any margin, from the same distribution.

A verdict, the interval beside it and its p can then never contradict each other: the bound at a tail lies beyond a
margin exactly where p at that margin is below the tail.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import bdtr, bdtrc, betaincinv, stdtr, stdtrit

from skipray.trends import Shift

LEVEL = 0.025
"""Of each direction: together 5 %."""


class Evidence(Protocol):
    @property
    def effect(self) -> float: ...

    def low(self, tail: float) -> float:
        """The truth lies below it with at most this probability."""
        ...

    def high(self, tail: float) -> float:
        """The truth lies above it with at most this probability."""
        ...

    def p_above(self, margin: float) -> float:
        """The chance of so clear an effect above the margin were the truth at most the margin."""
        ...

    def p_below(self, margin: float) -> float:
        """The same for an effect below it, were the truth at least the margin."""
        ...


@dataclass(frozen=True)
class Mean:
    """A mean with its standard error, judged by quantiles of t."""

    effect: float
    error: float
    """Standard error, as it tells the mean from what lies below it."""
    freedom: float
    """Degrees of freedom of t."""
    error_above: float | None = None
    """The same towards what lies above, where that differs: censored values leave one side open (infinite)."""
    least: float = -math.inf
    most: float = math.inf
    """What the effect can be at all."""

    @property
    def _above(self) -> float:
        return self.error if self.error_above is None else self.error_above

    @property
    def at(self) -> str:
        """`at least ` or `at most ` before an effect that is a bound; else empty."""
        open_ends = math.isinf(self.error), math.isinf(self._above)
        return {(False, True): "at least ", (True, False): "at most "}.get(open_ends, "")

    @property
    def size_at(self) -> str:
        """The same before the effect without its sign."""
        flipped = {"at least ": "at most ", "at most ": "at least "}
        return flipped.get(self.at, "") if self.effect < 0 else self.at

    def low(self, tail: float) -> float:
        return max(self.least, self.effect - float(stdtrit(self.freedom, 1 - tail)) * self.error)

    def high(self, tail: float) -> float:
        return min(self.most, self.effect + float(stdtrit(self.freedom, 1 - tail)) * self._above)

    def p_above(self, margin: float) -> float:
        return self._tail(margin - self.effect)

    def p_below(self, margin: float) -> float:
        return 1 - self._tail(margin - self.effect)

    def _tail(self, distance: float) -> float:
        """Probability of t below where the margin lies from the mean, in its own standard errors."""
        error = self.error if distance < 0 else self._above
        if error == 0:
            return 0.0 if distance < 0 else 1.0 if distance > 0 else 0.5
        return float(stdtr(self.freedom, distance / error))


@dataclass(frozen=True)
class Ratio:
    """A ratio of two means of the same seeds, the lower one above 0, judged after Fieller 1954: nothing is known of
    it as long as the lower mean may be 0."""

    above: Mean
    below: Mean
    covariance: float
    """Of the two means."""

    @property
    def effect(self) -> float:
        if self.below.effect == 0:
            return math.copysign(math.inf, self.above.effect) if self.above.effect else 0.0
        return self.above.effect / self.below.effect

    def low(self, tail: float) -> float:
        return self._bound(tail, -1)

    def high(self, tail: float) -> float:
        return self._bound(tail, 1)

    def p_above(self, margin: float) -> float:
        return max(self._contrast(margin).p_above(0.0), self.below.p_above(0.0))

    def p_below(self, margin: float) -> float:
        return max(self._contrast(margin).p_below(0.0), self.below.p_above(0.0))

    def _contrast(self, ratio: float) -> Mean:
        """The upper mean less so many times the lower one."""
        variance = self.above.error**2 - 2 * ratio * self.covariance + ratio**2 * self.below.error**2
        return Mean(self.above.effect - ratio * self.below.effect, math.sqrt(max(variance, 1e-300)), self.above.freedom)

    def _bound(self, tail: float, side: int) -> float:
        a, b = self.above, self.below
        square = float(stdtrit(a.freedom, tail)) ** 2
        second = b.effect**2 - square * b.error**2
        if second <= 0 or b.effect <= 0:
            return side * math.inf
        first = a.effect * b.effect - square * self.covariance
        root = first**2 - second * (a.effect**2 - square * a.error**2)
        return (first + side * math.sqrt(max(root, 0.0))) / second


@dataclass(frozen=True)
class Share:
    """Successes among independent seeds, judged exactly (Clopper & Pearson 1934).

    A seed whose networks partly succeed counts by its share; the sum is rounded against what is to be shown.
    """

    successes: float
    count: int

    @property
    def effect(self) -> float:
        return self.successes / self.count

    def low(self, tail: float) -> float:
        k = math.floor(self.successes + 1e-9)
        return float(betaincinv(k, self.count - k + 1, tail)) if k else 0.0

    def high(self, tail: float) -> float:
        k = math.ceil(self.successes - 1e-9)
        return float(betaincinv(k + 1, self.count - k, 1 - tail)) if k < self.count else 1.0

    def p_above(self, margin: float) -> float:
        k = math.floor(self.successes + 1e-9)
        return float(bdtrc(k - 1, self.count, margin)) if k else 1.0

    def p_below(self, margin: float) -> float:
        return float(bdtr(math.ceil(self.successes - 1e-9), self.count, margin))


@dataclass(frozen=True)
class OneWay:
    """A share that can lie surely above a margin, or surely below it, and says nothing of the other side: seen at a
    place that settles a question one way alone."""

    share: Share
    above: bool

    @property
    def effect(self) -> float:
        return self.share.effect

    @property
    def count(self) -> int:
        return self.share.count

    def low(self, tail: float) -> float:
        return self.share.low(tail) if self.above else 0.0

    def high(self, tail: float) -> float:
        return 1.0 if self.above else self.share.high(tail)

    def p_above(self, margin: float) -> float:
        return self.share.p_above(margin) if self.above else 1.0

    def p_below(self, margin: float) -> float:
        return 1.0 if self.above else self.share.p_below(margin)


@dataclass(frozen=True)
class Lead:
    """Doublings of depth that one family trains further than another: the profile of a likelihood."""

    shift: Shift

    @property
    def effect(self) -> float:
        return self.shift.doublings

    def low(self, tail: float) -> float:
        return self.shift.bound(tail, -1)

    def high(self, tail: float) -> float:
        return self.shift.bound(tail, 1)

    def p_above(self, margin: float) -> float:
        return self.shift.p_above(margin)

    def p_below(self, margin: float) -> float:
        return 1 - self.shift.p_above(margin)


def excluded_rate(good: int, tail: float = LEVEL) -> float:
    """The rate of failure that so many good runs of as many exclude: above it so many would be good with at most this
    probability."""
    return float(1 - np.power(tail, 1 / good))
