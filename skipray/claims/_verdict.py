"""Verdicts: a claim says one or more things, its parts; each is an effect held against a margin by one test.

The family-wise interval of a part decides it: each end is at the share of LEVEL that the part has among all parts of
all claims that were tested, in that direction (`skipray.claims._family`). Where the 95 % interval of the part alone
decides it and the family's does not, the part is `leaning`. A margin that is ours can support a claim, never refute
it: beyond it a claim holds `in part`, until the effect is surely beyond `refuted_at`, where the opposite holds by
anybody's reading.

A claim is supported where all of its parts are, in part where something of it is, else refuted where some part is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from skipray.claims._evidence import LEVEL, Evidence
from skipray.claims._family import Adjusted, adjust

Verdict = Literal["supported", "refuted", "in part", "leaning", "inconclusive", "not tested"]
Wanted = Literal["above", "below", "within"]


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
    wanted: Wanted = "above"
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

    def _one(self, side: Wanted, margin: float) -> float:
        return self.evidence.p_above(margin) if side == "above" else self.evidence.p_below(margin)

    def ends(self, tail_for: float, tail_against: float) -> tuple[float, float]:
        """An interval whose ends are at the tails of the two directions."""
        if self.wanted == "above":
            return self.evidence.low(tail_for), self.evidence.high(tail_against)
        if self.wanted == "below":
            return self.evidence.low(tail_against), self.evidence.high(tail_for)
        tail = min(tail_for, tail_against / 2)
        return self.evidence.low(tail), self.evidence.high(tail)


@dataclass(frozen=True)
class Part:
    """One thing that a claim says, judged."""

    label: str
    effect: float
    unit: str
    margin: float
    wanted: Wanted
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
    p_holm: float
    """p adjusted over all parts of all claims that were tested."""
    p_against_holm: float
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
    wanted: Wanted | None
    p: float | None
    """One-sided, for the claim as a whole, by itself: that of the part that is least sure."""
    p_holm: float | None
    """The same, adjusted for all that was tested."""
    p_against: float | None
    """Against the claim: that of the part that is most surely false, times the number of parts."""
    p_against_holm: float | None
    seeds: tuple[int, ...]
    depths: tuple[int, ...]
    sentence: str
    """In plain words; for a claim that was not tested: what to run."""
    reason: str
    """Where the verdict comes from: parts, exclusions, or what is missing."""
    parts: tuple[Part, ...] = ()
    own: bool = False
    """Declared in the sweep, not the paper's."""


def finding(
    statement: str, parts: Sequence[Comparison], seeds: Iterable[int], depths: Iterable[int], **words: str
) -> Finding:
    """What a claim found; words are the sentences of `Finding`."""
    return Finding(
        statement,
        tuple(parts),
        tuple(sorted({int(s) for s in seeds})),
        tuple(sorted({int(d) for d in depths})),
        **words,
    )


def untested(statement: str, what_to_run: str, reason: str) -> Finding:
    """A claim without the data it needs."""
    return Finding(statement, what_to_run=what_to_run, reason=reason)


@dataclass(frozen=True)
class Stated:
    """A claim's name, where it comes from, and what was found."""

    id: str
    source: str
    finding: Finding
    own: bool = False


def judged(stated: Sequence[Stated]) -> tuple[Claim, ...]:
    """The verdicts of all claims of a sweep together: as one family, in both directions."""
    tested = [s for s in stated if s.finding.parts]
    pro = iter(adjust([[c.p for c in s.finding.parts] for s in tested]))
    contra = iter(adjust([[c.p_against for c in s.finding.parts] for s in tested]))
    return tuple(_claim(s, next(pro), next(contra)) if s.finding.parts else _not_tested(s) for s in stated)


def _claim(stated: Stated, pro: list[Adjusted], contra: list[Adjusted]) -> Claim:
    found = stated.finding
    parts = tuple(map(_part, found.parts, pro, contra))
    verdict = _verdict([part.verdict for part in parts])
    decides = _decisive(parts, verdict)
    words = "; ".join(
        f"{q.label}: {q.effect:.3g} [{q.low:.3g}, {q.high:.3g}] {q.unit} {_held(q)}, {q.verdict}" for q in parts
    )
    return Claim(
        id=stated.id,
        statement=found.statement,
        source=stated.source,
        verdict=verdict,
        effect=decides.effect,
        effect_label=decides.label,
        effect_unit=decides.unit,
        low=decides.low,
        high=decides.high,
        margin=decides.margin,
        wanted=decides.wanted,
        p=max(q.p for q in parts),
        p_holm=max(q.p_holm for q in parts),
        p_against=min(1.0, len(parts) * min(q.p_against for q in parts)),
        p_against_holm=min(q.p_against_holm for q in parts),
        seeds=found.seeds,
        depths=found.depths,
        sentence=_sentence(found, parts, verdict) + found.remark,
        reason=f"{words}. {found.reason}".strip(),
        parts=parts,
        own=stated.own,
    )


def _held(part: Part) -> str:
    return f"within {part.margin:g}" if part.wanted == "within" else f"against {part.margin:g}"


def _part(comparison: Comparison, pro: Adjusted, contra: Adjusted) -> Part:
    c = comparison
    low, high = c.ends(pro.tail, contra.tail)
    verdict: Verdict = "inconclusive"
    if pro.p <= LEVEL:
        verdict = "supported"
    elif contra.p <= LEVEL:
        verdict = "refuted"
    elif c.refuted_at is not None and _misses(c, low, high) and _holds_off(c, low, high):
        verdict = "in part"
    elif min(c.p, c.p_against) <= LEVEL:
        verdict = "leaning"
    leans: Literal["", "for", "against"] = "for" if c.p <= LEVEL else "against" if c.p_against <= LEVEL else ""
    still = c.short if c.refuted_at is not None and _misses(c, low, high) else f"open whether {c.says}"
    words = {"supported": c.says, "refuted": c.denies}.get(verdict, still)
    low_alone, high_alone = c.ends(LEVEL, LEVEL)
    return Part(
        c.label, c.evidence.effect, c.unit, c.margin, c.wanted, c.against_at, low, high, low_alone, high_alone,
        c.p, c.p_against, pro.p, contra.p, verdict, leans, words, {"for": c.says, "against": c.denies}.get(leans, ""),
    )  # fmt: skip


def _misses(c: Comparison, low: float, high: float) -> bool:
    """Whether the effect is surely not on the wanted side of the margin."""
    return {"above": high < c.margin, "below": c.margin < low, "within": c.margin < low or high < -c.margin}[c.wanted]


def _holds_off(c: Comparison, low: float, high: float) -> bool:
    """Whether the opposite surely does not hold."""
    at = c.against_at
    return {"above": at < low, "below": high < at, "within": -at < low and high < at}[c.wanted]


def _verdict(parts: Sequence[Verdict]) -> Verdict:
    if all(v == "supported" for v in parts):
        return "supported"
    for verdict, among in (("in part", ("supported", "in part")), ("refuted", ("refuted",)), ("leaning", ("leaning",))):
        if any(v in among for v in parts):
            return verdict  # type: ignore[return-value]
    return "inconclusive"


def _decisive(parts: Sequence[Part], verdict: Verdict) -> Part:
    """The part that a row shows: of a refuted claim the most surely false one, else the least sure one."""
    if verdict in ("refuted", "in part"):
        refuted = [q for q in parts if q.verdict == "refuted"]
        if refuted:
            return min(refuted, key=lambda q: q.p_against)
    leaning = [q for q in parts if q.verdict == "leaning"]
    if verdict == "leaning" and leaning:
        return min(leaning, key=lambda q: min(q.p, q.p_against))
    return max(parts, key=lambda q: q.p)


def _sentence(found: Finding, parts: Sequence[Part], verdict: Verdict) -> str:
    if verdict == "supported":
        return found.supported
    if verdict == "refuted" and not any(q.verdict != "refuted" for q in parts):
        return found.refuted
    numbers = f" ({found.facts})" if found.facts else ""
    if verdict == "in part":
        return f"In part: {listed(parts)}{numbers}."
    if verdict == "refuted":
        return f"{found.refuted} Of its parts: {listed(parts)}."
    if verdict == "leaning":
        leans = [q for q in parts if q.verdict == "leaning"]
        ways = {q.leans for q in leans}
        toward = "both ways" if len(ways) > 1 else f"{ways.pop()} the claim"
        what = f": {'; '.join(q.alone for q in leans)}" if len(parts) > 1 else ""
        return f"Leans {toward}, by evidence that does not suffice among so many claims{what}. {found.open}"
    return found.open


def listed(parts: Sequence[Part]) -> str:
    """What was found of each part: what is decided first, what is open last."""
    order = {"supported": 0, "in part": 1, "refuted": 2}
    ranked = sorted(parts, key=lambda q: order.get(q.verdict, 3))
    return "; ".join(dict.fromkeys(q.words for q in ranked))


def _not_tested(stated: Stated) -> Claim:
    found = stated.finding
    return Claim(
        stated.id, found.statement, stated.source, "not tested", None, "", "", *(None,) * 8, (), (), found.what_to_run,
        found.reason, own=stated.own,
    )  # fmt: skip
