"""p adjusted over all parts of all claims of a sweep, in one direction (Holm 1979, with the parts of a claim inside
it).

Each claim has an equal share of the level. A claim's parts share it in turn: one is decided where its p is below its
own share, or all that are left where the largest is below the claim's (Hochberg 1988: parts are judged from the same
runs). A claim all of whose parts are decided passes its share on to the others. For claims of one part this is Holm's
procedure; that it is one sequentially rejective procedure is due to Bretz et al. 2009.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from skipray.claims._evidence import LEVEL


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
    left = {c: dict(enumerate(parts)) for c, parts in enumerate(p)}
    found: list[dict[int, Adjusted]] = [{} for _ in p]
    running = 0.0
    tails: dict[int, float] = {}
    while left:
        moves = [(max(parts.values()) * len(left), c, tuple(parts), 1) for c, parts in left.items()]
        for c, parts in left.items():
            part = min(parts, key=lambda i: parts[i])
            moves.append((parts[part] * len(left) * len(parts), c, (part,), len(parts)))
        cost, claim, decided, share = min(moves, key=lambda move: move[0])
        running = max(running, min(1.0, cost))
        if running > LEVEL and not tails:
            tails = {c: LEVEL / len(left) / len(parts) for c, parts in left.items()}
        for part in decided:
            tail = tails[claim] if tails else LEVEL / len(left) / share
            found[claim][part] = Adjusted(running, tail)
            del left[claim][part]
        if not left[claim]:
            del left[claim]
    return [[parts[i] for i in range(len(parts))] for parts in found]
