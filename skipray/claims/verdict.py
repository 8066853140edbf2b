"""Verdicts: a claim is one or more parts, each an effect with a 95 % interval held against a margin.

A part wants its effect above or below a margin; it is supported when its whole interval lies there, and refuted when
the whole interval lies on the other side. A claim is supported when all of its parts are (an intersection-union test,
whose level is that of one part: Berger 1982) and refuted when any part is. Its effect is that of its weakest part.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Verdict = Literal["supported", "refuted", "inconclusive", "not tested"]


@dataclass(frozen=True)
class Part:
    """One comparison of a claim."""

    label: str
    effect: float
    unit: str
    low: float
    high: float
    p: float
    """One-sided: the chance of so clear an effect were the truth at the margin."""
    margin: float
    wanted: Literal["above", "below"] = "above"
    """The side of the margin that speaks for the claim."""

    @property
    def verdict(self) -> Verdict:
        if self.low > self.margin:
            return "supported" if self.wanted == "above" else "refuted"
        if self.high < self.margin:
            return "refuted" if self.wanted == "above" else "supported"
        return "inconclusive"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and what this sweep says about it."""

    id: str
    statement: str
    verdict: Verdict
    effect: float | None
    """Of the weakest part; None when not tested."""
    effect_unit: str
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    """p adjusted for all claims that were tested (Holm 1979)."""
    margin: float | None
    seeds: tuple[int, ...]
    depths: tuple[int, ...]
    sentence: str
    """In plain words; for a claim that was not tested: what to run."""
    reason: str
    """Where the verdict comes from: parts, exclusions, or what is missing."""
    parts: tuple[Part, ...] = ()


def decided(
    claim_id: str,
    statement: str,
    parts: Sequence[Part],
    seeds: Iterable[int],
    depths: Iterable[int],
    sentences: dict[str, str],
    reason: str = "",
    remark: str = "",
) -> Claim:
    """A claim from its parts; `sentences` has a plain sentence for each of supported, refuted and inconclusive, and
    remark is added to whichever it is."""
    verdicts = [part.verdict for part in parts]
    verdict: Verdict = (
        "refuted" if "refuted" in verdicts else "supported" if set(verdicts) == {"supported"} else "inconclusive"
    )
    weakest = max(parts, key=lambda part: (part.verdict == "refuted", part.p))
    words = "; ".join(
        f"{q.label}: {q.effect:.3g} [{q.low:.3g}, {q.high:.3g}] {q.unit} against {q.margin:g}, {q.verdict}"
        for q in parts
    )
    return Claim(
        id=claim_id,
        statement=statement,
        verdict=verdict,
        effect=weakest.effect,
        effect_unit=weakest.unit,
        low=weakest.low,
        high=weakest.high,
        p=weakest.p,
        p_holm=None,
        margin=weakest.margin,
        seeds=tuple(sorted({int(s) for s in seeds})),
        depths=tuple(sorted({int(d) for d in depths})),
        sentence=sentences[verdict] + remark,
        reason=f"{words}. {reason}".strip(),
        parts=tuple(parts),
    )


def untested(claim_id: str, statement: str, what_to_run: str, reason: str) -> Claim:
    """A claim without the data it needs."""
    return Claim(claim_id, statement, "not tested", None, "", None, None, None, None, None, (), (), what_to_run, reason)


def with_holm(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """The claims with p adjusted over those that were tested (Holm 1979)."""
    tested = sorted((c for c in claims if c.p is not None), key=lambda c: c.p or 0.0)
    adjusted: dict[str, float] = {}
    running = 0.0
    for rank, claim in enumerate(tested):
        running = max(running, min(1.0, (len(tested) - rank) * (claim.p or 0.0)))
        adjusted[claim.id] = running
    return tuple(replace(c, p_holm=adjusted.get(c.id)) for c in claims)
