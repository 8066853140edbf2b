"""Verdicts: a claim says one or more things, its parts; each is an effect held against a margin by one test.

The family-wise interval of a part decides it: each end is at the share of LEVEL that the part has among all parts of
all claims that were tested, in that direction (`judging.family`). Where the 95 % interval of the part alone
decides it and the family's does not, the part is `leaning`. A margin that is ours can support a claim, never refute
it: beyond it a claim holds `in part`, until the effect is surely beyond `refuted_at`, where the opposite holds by
anybody's reading.

A claim is supported where all of its parts are, in part where something of it is, else refuted where some part is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from skipray.claims.judging.claim import Claim, Comparison, Finding, Part, Verdict
from skipray.claims.judging.evidence import LEVEL
from skipray.claims.judging.family import Adjusted, adjust


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
        p_adjusted=max(q.p_adjusted for q in parts),
        p_against=min(1.0, len(parts) * min(q.p_against for q in parts)),
        p_against_adjusted=min(q.p_against_adjusted for q in parts),
        seeds=found.seeds,
        depths=found.depths,
        sentence=_sentence(found, parts, verdict) + found.remark,
        reason=f"{words}. {found.reason}".strip(),
        parts=parts,
        own=stated.own,
        decides=decides,
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
    if verdict == "refuted" and found.several:
        return f"Not on every data set: {listed(parts)}{numbers}."
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
