"""The report's table of claims as plain values: effects with their margins, both p, and each comparison behind them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skipray.report.groups import plain
from skipray.report.numbers import beside, number
from skipray.report.words import interval, probability, span
from skipray.wording import counted

if TYPE_CHECKING:
    from skipray.claims import Claim, Part


@dataclass(frozen=True)
class PartRow:
    label: str
    effect: str
    interval: str
    """Of the whole family of claims."""
    alone: str
    """The comparison's own 95 % interval."""
    margin: str
    p_for: str
    p_against: str
    verdict: str
    words: str


@dataclass(frozen=True)
class ClaimRow:
    claim: "Claim"
    effect: str
    label: str
    """What the effect is."""
    interval: str
    margin: str
    """What the effect is held against, and on which side."""
    p_for: str
    p_against: str
    basis: str
    parts: tuple[PartRow, ...]


def claim_rows(claims: "Iterable[Claim]") -> list[ClaimRow]:
    return [_row(c) for c in claims]


def _row(c: "Claim") -> ClaimRow:
    unit = f" {plain(c.effect_unit)}" if c.effect_unit else ""
    return ClaimRow(
        c,
        "" if c.effect is None else f"{beside(c.effect, c.low, c.high)}{unit}",
        plain(c.effect_label),
        interval(c.low, c.high) if c.effect is not None else "",
        "" if c.margin is None else held_against(c.wanted, c.margin),
        "" if c.decides is None else probability(c.decides.p_adjusted),
        "" if c.decides is None else probability(c.decides.p_against_adjusted),
        f"{counted(len(c.seeds), 'seed')}, {span('depth', c.depths)}" if c.seeds or c.depths else "",
        tuple(map(_part, c.parts)),
    )


def _part(q: "Part") -> PartRow:
    return PartRow(
        plain(q.label), beside(q.effect, q.low_alone, q.high_alone), interval(q.low, q.high),
        interval(q.low_alone, q.high_alone),
        held_against(q.wanted, q.margin), probability(q.p_adjusted), probability(q.p_against_adjusted), q.verdict,
        plain(q.words),
    )  # fmt: skip


def held_against(wanted: str | None, margin: float) -> str:
    """`above 0`, `within ±0.5`: what the claim says of its effect."""
    return f"within ±{number(margin)}" if wanted == "within" else f"{wanted} {number(margin)}"
