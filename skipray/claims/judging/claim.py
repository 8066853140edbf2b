"""A claim and the things that it says: before its verdict (Comparison, Finding) and after it (Part, Claim)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from skipray.claims.judging.evidence import Evidence

PAPER_SOURCE = "Oyedotun, Al Ismaeil & Aouada 2023"
"""SOURCE of the paper's claims."""
Verdict = Literal["supported", "refuted", "in part", "leaning", "inconclusive", "not tested"]
Side = Literal["above", "below", "within"]


@dataclass(frozen=True)
class Comparison:
    """One thing that a claim says, and the evidence on it."""

    label: str
    """What the effect is."""
    evidence: Evidence
    unit: str
    says: str
    """What holds where the effect is on the wanted side, in words."""
    denies: str
    """What holds on the other side."""
    margin: float = 0.0
    wanted: Side = "above"
    """The side of the margin that speaks for the claim; within: between -margin and margin."""
    refuted_at: float | None = None
    """What the effect has to be surely beyond, away from the wanted side, to refute; the margin when None."""
    short: str = ""
    """What holds between `refuted_at` and the margin, in words."""

    @property
    def against_at(self) -> float:
        return self.margin if self.refuted_at is None else self.refuted_at

    @property
    def p(self) -> float:
        """For the part."""
        if self.wanted == "within":
            return max(self.evidence.p_above(-self.margin), self.evidence.p_below(self.margin))
        return self._one(self.wanted, self.margin)

    @property
    def p_against(self) -> float:
        if self.wanted == "within":
            ends = self.evidence.p_below(-self.against_at), self.evidence.p_above(self.against_at)
            return min(1.0, 2 * min(ends))
        return self._one("below" if self.wanted == "above" else "above", self.against_at)

    def _one(self, side: Side, margin: float) -> float:
        return self.evidence.p_above(margin) if side == "above" else self.evidence.p_below(margin)

    def ends(self, tail_for: float, tail_against: float) -> tuple[float, float]:
        """An interval whose ends are at the tails of the two directions.

        Of an equivalence both are at the tail of the direction that is decided, else at the smaller one, so that it
        lies within the margin exactly where p is at most its tail.
        """
        if self.wanted == "above":
            return self.evidence.low(tail_for), self.evidence.high(tail_against)
        if self.wanted == "below":
            return self.evidence.low(tail_against), self.evidence.high(tail_for)
        ways = [tail for p, tail in ((self.p, tail_for), (self.p_against / 2, tail_against / 2)) if p <= tail]
        tail = min(ways or (tail_for, tail_against / 2))
        return self.evidence.low(tail), self.evidence.high(tail)


@dataclass(frozen=True)
class Part:
    """One thing that a claim says, judged."""

    label: str
    effect: float
    unit: str
    margin: float
    wanted: Side
    refuted_at: float
    low: float
    """Of the family-wise interval, which decides."""
    high: float
    low_alone: float
    """Of the part's own 95 % interval."""
    high_alone: float
    p: float
    """One-sided, for the part: the chance of so clear an effect were the truth at the margin. By itself."""
    p_against: float
    p_adjusted: float
    """p adjusted over all parts of all claims that were tested."""
    p_against_adjusted: float
    verdict: Verdict
    leans: Literal["", "for", "against"]
    """Where the part's own 95 % interval points to."""
    words: str
    """The verdict as a statement."""
    alone: str
    """What the part's own 95 % interval says, as a statement; empty where it says nothing."""


@dataclass(frozen=True)
class Finding:
    """A claim before its verdict: what its file found in the data."""

    statement: str
    parts: tuple[Comparison, ...] = ()
    seeds: tuple[int, ...] = ()
    depths: tuple[int, ...] = ()
    supported: str = ""
    """The sentence of a supported claim, and so on."""
    refuted: str = ""
    open: str = ""
    facts: str = ""
    """The numbers, in words: what a sentence of any other verdict ends with."""
    remark: str = ""
    """Added to the sentence."""
    what_to_run: str = ""
    """Of a claim that was not tested."""
    reason: str = ""
    several: bool = False
    """The sentences are those of several data sets, each of which would be refuted where `refuted` is said."""


@dataclass(frozen=True)
class Claim:
    """A claim and what this sweep says about it."""

    id: str
    statement: str
    source: str
    verdict: Verdict
    effect: float | None
    """Of the part that decides; None when not tested."""
    effect_label: str
    effect_unit: str
    low: float | None
    """Of its family-wise interval."""
    high: float | None
    margin: float | None
    wanted: Side | None
    p: float | None
    """One-sided, for the claim as a whole, by itself: that of the part that is least sure."""
    p_adjusted: float | None
    """The same, adjusted for all that was tested."""
    p_against: float | None
    """Against the claim: that of the part that is most surely false, times the number of parts."""
    p_against_adjusted: float | None
    seeds: tuple[int, ...]
    depths: tuple[int, ...]
    sentence: str
    """In plain words; for a claim that was not tested: what to run."""
    reason: str
    """Where the verdict comes from: parts, exclusions, or what is missing."""
    parts: tuple[Part, ...] = ()
    own: bool = False
    """Declared in the sweep, not the paper's."""
    decides: Part | None = None
    """The part whose effect and interval a row shows; its p stand beside them, which of a claim that leans are not the
    claim's."""


def finding(
    statement: str, parts: Sequence[Comparison], seeds: Iterable[int], depths: Iterable[int], **words: str
) -> Finding:
    """What a claim found; words are the sentences of `Finding`."""
    return Finding(
        statement,
        tuple(parts),
        tuple(sorted({int(s) for s in seeds})),
        tuple(sorted({int(d) for d in depths})),
        **words,  # type: ignore[arg-type]  # `several` is no sentence
    )


def untested(statement: str, what_to_run: str, reason: str) -> Finding:
    """A claim without the data it needs."""
    return Finding(statement, what_to_run=what_to_run, reason=reason)
