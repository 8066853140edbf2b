"""p adjusted over all parts of all claims of a sweep, in one direction: closed testing with Simes' test (Hommel 1988).

A part is decided where Simes' test rejects every joint hypothesis that it belongs to; then some true one among all
parts is rejected in at most LEVEL of sweeps (Marcus, Peritz & Gabriel 1976). A joint hypothesis is judged in two steps:
the parts of each claim, and then the claims by what that gives. Of another claim the hardest to reject is its least
sure part by itself, so that a claim counts once, however many parts it has.

Simes' test holds for independent tests and for those that tend to agree (Sarkar 1998), as those of the same runs do.
It decides whatever Holm's procedure would.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from skipray.claims.judging.evidence import LEVEL


@dataclass(frozen=True)
class Adjusted:
    p: float
    """At most LEVEL where the part is decided."""
    tail: float
    """The share of LEVEL that the part was held against: its own p is at most it exactly where it is decided."""


def adjust(p: Sequence[Sequence[float]]) -> list[list[Adjusted]]:
    """Args:
    p: (claims, parts of each) one-sided; each claim has at least one part.
    """
    hardest = [max(parts) for parts in p]
    found = []
    for c, parts in enumerate(p):
        others = hardest[:c] + hardest[c + 1 :]
        room = _share(others, LEVEL)
        adjusted = []
        for i, one in enumerate(parts):
            siblings = [*parts[:i], *parts[i + 1 :]]
            adjusted.append(Adjusted(_closed(_closed(one, siblings), others), _share(siblings, room)))
        found.append(adjusted)
    return found


def _closed(p: float, others: Sequence[float]) -> float:
    """The largest p that Simes' test gives a joint hypothesis of this one and some of the others: of so many others the
    least sure ones."""
    rising = sorted(others)
    worst = p
    for count in range(1, len(rising) + 1):
        joint = sorted([p, *rising[-count:]])
        worst = max(worst, min((count + 1) / rank * q for rank, q in enumerate(joint, 1)))
    return min(1.0, worst)


def _share(others: Sequence[float], level: float) -> float:
    """The largest p at which `_closed(p, others)` is at most the level."""
    rising = sorted(others)
    least = level
    for count in range(1, len(rising) + 1):
        joint, unit = rising[-count:], level / (count + 1)
        if any(q <= rank * unit for rank, q in enumerate(joint, 1)):
            continue  # rejected whatever the part's own p is
        # It may have each rank below which the others are sure enough for the next.
        ranks = [rank for rank, q in enumerate(joint, 2) if q <= rank * unit]
        least = min(least, unit * max(ranks, default=1))
    return least
