"""A declared claim about a trainability limit: against another family's, or against a depth.

Against a family: doublings of depth from one logistic regression of all trials of both, as C1a. Against a depth:
whether more (above) or fewer (below) than half of the seeds train there, judged exactly; at the nearest depth that can
show it where that depth has not two seeds: most train at a deeper one, or most do not at a shallower one. Six seeds are
the fewest that can show it.
"""

import numpy as np
import pandas as pd

from skipray.claims.judging.claim import Comparison, Finding, Side, finding, untested
from skipray.claims.judging.data import SweepData
from skipray.claims.judging.estimates import share_of_seeds
from skipray.claims.judging.evidence import Lead, OneWay, Share
from skipray.claims.judging.lead import NoLead, lead_of
from skipray.spec.claims import LimitClaim


def judge(claim: LimitClaim, data: SweepData) -> Finding:
    return _against_family(claim, data, claim.than) if isinstance(claim.than, str) else _against_depth(claim, data)


def _against_family(claim: LimitClaim, data: SweepData, than: str) -> Finding:
    name, other = data.name(claim.family), data.name(than)
    statement = claim.statement or f"The trainability limit of {name} lies {claim.direction} {other}'s"
    found = lead_of(data, than, claim.family)
    if isinstance(found, NoLead):
        what = f"Run {claim.family} and {than} at two or more depths with two or more seeds."
        return untested(statement, found.what_to_run or what, found.why)
    words = f"{name} trains {_how_far(found.shift.doublings, found.shift.bounded, other)}"
    part = Comparison(
        f"limit of {name} beyond {other}'s", Lead(found.shift), "doublings of depth", "the limits lie as claimed",
        "the limits do not lie as claimed", 0.0, claim.direction,
    )  # fmt: skip
    return finding(
        statement, [part], found.trials["seed"], found.trials["depth"],
        supported=f"As claimed: {words}.", refuted=f"Not as claimed: {words}.", open=f"Open: {words}.", facts=words,
    )  # fmt: skip


def _how_far(doublings: float, bounded: tuple[bool, bool], other: str) -> str:
    """`1 doubling of depth further than ResNet`, `as far as ResNet`; `at least` where the data set no upper bound, as
    of a family that always trains.

    >>> [_how_far(value, (True, True), "ResNet") for value in (0.001, 1.0, -0.5)]
    ['as far as ResNet', '1 doubling of depth further than ResNet', '0.5 doublings of depth less far than ResNet']
    >>> [_how_far(value, (True, False), "ResNet") for value in (0.0, 3.0)]
    ['at least as far as ResNet', 'at least 3 doublings of depth further than ResNet']
    >>> _how_far(-1.0, (True, False), "ResNet"), _how_far(-2.0, (False, True), "ResNet")
    ('at most 1 doubling of depth less far than ResNet', 'at least 2 doublings of depth less far than ResNet')
    """
    size, (below, above) = round(abs(doublings), 2), bounded
    less_far = doublings < 0 and size > 0
    at = "" if below == above else "at most " if less_far == below else "at least "
    if size == 0:
        return f"{at}as far as {other}" + ("" if below or above else ", as far as these depths tell")
    count = "1 doubling" if size == 1 else f"{size:.2g} doublings"
    return f"{at}{count} of depth {'further' if doublings > 0 else 'less far'} than {other}"


def _against_depth(claim: LimitClaim, data: SweepData) -> Finding:
    name = data.name(claim.family)
    statement = claim.statement or f"The trainability limit of {name} lies {claim.direction} depth {claim.than}"
    table = data.of(claim.family)
    seen = _settling(table, data, int(claim.than), claim.direction)
    if seen is None:
        way = "deeper" if claim.direction == "above" else "shallower"
        what = f"Run {claim.family} at depth {claim.than} or a {way} one with two or more seeds."
        return untested(statement, what, "no such depth with two seeds")
    depth, share = seen
    there = table[table["depth"] == depth]
    trains = int((there["outcome"] == "trained").sum())
    words = f"{trains} of {len(there)} {name}s train at depth {depth}"
    words += "" if depth == claim.than else f", the nearest to {claim.than} that could settle it"
    part = Comparison(
        f"share of {name}s that train at depth {depth}", share, f"of {share.count} seeds",
        "the limit lies as claimed", "the limit does not lie as claimed", 0.5, claim.direction,
    )  # fmt: skip
    return finding(
        statement, [part], there["seed"], there["depth"],
        supported=f"As claimed: {words}.", refuted=f"Not as claimed: {words}.", open=f"Open: {words}.", facts=words,
    )  # fmt: skip


def _settling(table: pd.DataFrame, data: SweepData, than: int, direction: Side) -> tuple[int, Share | OneWay] | None:
    """The depth that says most about a limit against a depth, and the share that trains there.

    Where the depth itself has not two seeds, the next deeper one that has can show that the limit lies above it (most
    train there), the next shallower one that it lies below (most do not), and neither can show the opposite.
    """

    def trained_at(depth: int) -> Share | None:
        there = table[table["depth"] == depth]
        return share_of_seeds((there["outcome"] == "trained").to_numpy(), data.cells(there), there["seed"].to_numpy())

    shares = {int(depth): trained_at(int(depth)) for depth in np.unique(table["depth"].to_numpy(dtype=int))}
    known = {depth: share for depth, share in shares.items() if share is not None}
    if than in known:
        return than, known[than]
    sides = {"above": [depth for depth in known if depth > than][:1], "below": [d for d in known if d < than][-1:]}
    found = {side: (depth, OneWay(known[depth], side == "above")) for side, depths in sides.items() for depth in depths}
    speaks = {side: (one.effect > 0.5) == one.above and one.effect != 0.5 for side, (_, one) in found.items()}
    other = "below" if direction == "above" else "above"
    for side in (direction, other):
        if speaks.get(side):
            return found[side]
    return found.get(direction)
