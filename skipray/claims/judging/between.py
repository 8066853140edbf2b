"""What a value does until each depth, and not only until the last: one that ends as it began may have been elsewhere
meanwhile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skipray.claims.judging.change import changes_between
from skipray.claims.judging.evidence import LEVEL, Evidence, Mean


@dataclass(frozen=True)
class Largest:
    """The largest of several changes: surely below what each is surely below, surely above what one of them is surely
    above. For that the last counts half, and those in between share the other half."""

    last: Evidence
    """The change from end to end."""
    between: Mapping[int, Evidence]
    """Depth -> the change until there."""

    @property
    def effect(self) -> float:
        return max(change.effect for change in self._all)

    @property
    def _all(self) -> list[Evidence]:
        return [self.last, *self.between.values()]

    @property
    def _shares(self) -> list[float]:
        """How many tests each of them is one of."""
        count = len(self.between)
        return [2.0, *[2.0 * count] * count] if count else [1.0]

    def low(self, tail: float) -> float:
        return max(change.low(tail / share) for change, share in zip(self._all, self._shares, strict=True))

    def high(self, tail: float) -> float:
        return max(change.high(tail) for change in self._all)

    def p_above(self, margin: float) -> float:
        found = (share * change.p_above(margin) for change, share in zip(self._all, self._shares, strict=True))
        return min(1.0, *found, 1.0)

    def p_below(self, margin: float) -> float:
        return max(change.p_below(margin) for change in self._all)


@dataclass(frozen=True)
class Smallest:
    """The smallest of several changes, likewise."""

    last: Evidence
    between: Mapping[int, Evidence]

    @property
    def effect(self) -> float:
        return -self._turned.effect

    @property
    def _turned(self) -> Largest:
        return Largest(_Turned(self.last), {depth: _Turned(change) for depth, change in self.between.items()})

    def low(self, tail: float) -> float:
        return -self._turned.high(tail)

    def high(self, tail: float) -> float:
        return -self._turned.low(tail)

    def p_above(self, margin: float) -> float:
        return self._turned.p_below(-margin)

    def p_below(self, margin: float) -> float:
        return self._turned.p_above(-margin)


@dataclass(frozen=True)
class _Turned:
    """An effect with the other sign."""

    of: Evidence

    @property
    def effect(self) -> float:
        return -self.of.effect

    def low(self, tail: float) -> float:
        return -self.of.high(tail)

    def high(self, tail: float) -> float:
        return -self.of.low(tail)

    def p_above(self, margin: float) -> float:
        return self.of.p_below(-margin)

    def p_below(self, margin: float) -> float:
        return self.of.p_above(-margin)


@dataclass(frozen=True)
class _Every:
    """All changes at once: the last is told, and bounds hold for each."""

    largest: Largest
    smallest: Smallest

    @property
    def effect(self) -> float:
        return self.largest.last.effect

    def low(self, tail: float) -> float:
        return self.smallest.low(tail)

    def high(self, tail: float) -> float:
        return self.largest.high(tail)

    def p_above(self, margin: float) -> float:
        return self.smallest.p_above(margin)

    def p_below(self, margin: float) -> float:
        return self.largest.p_below(margin)


def within_throughout(last: Evidence, between: Mapping[int, Evidence], margin: float) -> Evidence:
    """The evidence on whether no change is beyond a margin: on the largest or the smallest where one of them surely is,
    else on all."""
    largest, smallest = Largest(last, between), Smallest(last, between)
    if largest.p_above(margin) <= LEVEL:
        return largest
    if smallest.p_below(-margin) <= LEVEL:
        return smallest
    return _Every(largest, smallest)


def until_between(table: pd.DataFrame, stratum: np.ndarray, within: Callable[[Mean], Mean]) -> dict[int, Mean]:
    """The changes until each depth between the ends.

    Args:
        table, stratum: as of `change_of`.
        within: ends an interval where the metric does.
    """
    return {depth: within(mean) for depth, mean in changes_between(table, stratum).items()}


def elsewhere(between: Mapping[int, Mean], last: float, margin: float) -> str:
    """`; in between +0.35 at depth 20`: where a value has surely been further than at both of its ends, by more than
    the margin; else empty."""
    said = []
    for end, sign in ((max(0.0, last) + margin, 1), (min(0.0, last) - margin, -1)):
        sure = [
            d for d, c in between.items() if len(between) * (c.p_above(end) if sign > 0 else c.p_below(end)) <= LEVEL
        ]
        if sure:
            depth = max(sure, key=lambda depth: sign * between[depth].effect)
            said.append(f"{between[depth].effect:+.3g} at depth {depth}")
    return f"; in between {' and '.join(said)}" if said else ""
