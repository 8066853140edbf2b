"""What a value does until each depth, and not only until the last: one that ends as it began may have been elsewhere
meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass

from skipray.claims.judging.change import Change
from skipray.claims.judging.estimates import difference_within
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
        return min(1.0, *found)

    def p_below(self, margin: float) -> float:
        return max(change.p_below(margin) for change in self._all)


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

    last: Evidence
    largest: Evidence
    smallest: Evidence

    @property
    def effect(self) -> float:
        return self.last.effect

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
    largest = Largest(last, between)
    smallest = _Turned(Largest(_Turned(last), {depth: _Turned(change) for depth, change in between.items()}))
    if largest.p_above(margin) <= LEVEL:
        return largest
    if smallest.p_below(-margin) <= LEVEL:
        return smallest
    return _Every(last, largest, smallest)


def until_between(change: Change, metric: str, unit: float = 1.0) -> dict[int, Mean]:
    """The changes of a metric until each depth between the ends; `unit` as of `difference_within`."""
    return {depth: difference_within(mean, metric, unit) for depth, mean in change.between.items()}


def elsewhere(between: Mapping[int, Mean], last: float, margin: float) -> str:
    """`; in between +0.35 at depth 20`: where a value has surely been further than at both of its ends, by more than
    the margin; else empty."""
    above, below = max(0.0, last) + margin, min(0.0, last) - margin
    surely = LEVEL / max(1, len(between))
    higher = [d for d, change in between.items() if change.p_above(above) <= surely]
    lower = [d for d, change in between.items() if change.p_below(below) <= surely]
    furthest = [
        most(depths, key=lambda d: between[d].effect) for most, depths in ((max, higher), (min, lower)) if depths
    ]
    said = [f"{between[depth].effect:+.3g} at depth {depth}" for depth in furthest]
    return f"; in between {' and '.join(said)}" if said else ""
