"""A claim is supported where it holds with diverged networks counted against it, and refuted where it fails with each
of them counted as bad, whichever family it is of.

What is left out of the one is what would speak for the claim: to refute it by what is left is to take the favourable
side again. Judged by one treatment alone, a comparison could be above, below and within nothing; as bad ones diverged
networks are the same to every claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from skipray.claims.judging.claim import Side
from skipray.claims.judging.data import DivergedValue, SweepData
from skipray.claims.judging.evidence import Evidence, Mean

BY_DIVERGED = "by what diverged networks count as"


@dataclass(frozen=True)
class Between:
    """An effect that depends on what diverged networks count as: surely above what its lowest estimate is surely above,
    surely below what its highest one is surely below."""

    shown: Mean
    """The estimate that is told: with diverged networks counted against the claim."""
    lowest: Mean | None
    """None where nothing is known of the lowest one."""
    highest: Mean | None

    @property
    def effect(self) -> float:
        return self.shown.effect

    def low(self, tail: float) -> float:
        return self.shown.least if self.lowest is None else self.lowest.low(tail)

    def high(self, tail: float) -> float:
        return self.shown.most if self.highest is None else self.highest.high(tail)

    def p_above(self, margin: float) -> float:
        return 1.0 if self.lowest is None else self.lowest.p_above(margin)

    def p_below(self, margin: float) -> float:
        return 1.0 if self.highest is None else self.highest.p_below(margin)


def either_way(shown: Mean, others: Sequence[Mean | None], wanted: Side) -> Evidence:
    """The evidence on an effect with diverged networks counted in each way.

    Args:
        shown: the estimate with them counted against the claim.
        others: with them counted as bad; None where too few networks are left then: the claim is not refuted.
        wanted: the side of the margin that speaks for the claim.

    Returns:
        `shown` itself where they make no difference.
    """
    known = [shown, *(one for one in others if one is not None)]
    lowest, highest = (end(known, key=lambda one: one.effect) for end in (min, max))
    unknown = len(known) <= len(others)
    if lowest is highest and not unknown:
        return shown
    return Between(
        shown,
        None if unknown and wanted != "above" else lowest,
        None if unknown and wanted != "below" else highest,
    )


def ways(
    data: SweepData, bad: DivergedValue | None, first: str, second: str, good: str
) -> list[dict[str, DivergedValue]]:
    """What diverged networks of two families or roles count as, for `SweepData.pairs`: first as it is told, counted
    against the claim; then, where some diverged, as what they are, bad in either family.

    Args:
        bad: what a diverged network counts as where it is not left out; None where it always is.
        good: the family that the claim says something good of; empty of a claim that two are alike.
    """
    told = {good: bad} if good and bad is not None else {}
    if bad is None or not (data.of(first, second)["outcome"] == "diverged").any():
        return [told]
    return [told, {first: bad, second: bad}]


def spread(evidence: Evidence) -> str:
    """`; -0.35 to +0.099, by what diverged networks count as`; empty where they make no difference."""
    if not isinstance(evidence, Between):
        return ""
    if evidence.lowest is None or evidence.highest is None:
        return "; without what diverged too little is left to tell"
    ends = (f"{end.effect:+.3g}" for end in (evidence.lowest, evidence.highest))
    return f"; {' to '.join(ends)}, {BY_DIVERGED}"
