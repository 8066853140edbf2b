"""Verdicts as the terminal shows them, within 80 columns."""

from collections.abc import Sequence

from skipray.claims import Claim
from skipray.terminal.blocks import Column, Grid
from skipray.terminal.visible import escape

STYLES = {
    "supported": "green", "in part": "green", "refuted": "red", "leaning": "yellow", "inconclusive": "yellow",
}  # fmt: skip

MEANING = "in brackets: the interval that decides; it and p hold for all claims together, 2.5 % in each direction"


def claims_table(claims: Sequence[Claim]) -> Grid:
    """A row per claim that was tested: verdict, sentence, and the effect with its margin and both p."""
    rows = []
    for claim in claims:
        if claim.verdict != "not tested":
            style = STYLES[claim.verdict]
            words = f"{escape(claim.sentence)}\n[dim]{escape(numbers(claim))}[/dim]"
            rows.append((escape(claim.id), f"[{style}]{claim.verdict}[/{style}]", words))
    columns = (Column("claim", whole=True), Column("verdict", whole=True), Column("what was found"))
    return Grid(columns, tuple(rows), MEANING if rows else "")


def numbers(claim: Claim) -> str:
    """`0.31 [0.12, inf] doublings of depth, claimed above 0; p 0.004 for, 1 against`: of the part that decides."""
    margin = claim.margin or 0.0
    claimed = f"within ±{margin:g}" if claim.wanted == "within" else f"{claim.wanted} {margin:g}"
    unit = f" {claim.effect_unit}" if claim.effect_unit else ""
    part = claim.decides
    p_for, p_against = (None, None) if part is None else (part.p_adjusted, part.p_against_adjusted)
    return (
        f"{claim.effect_label}: {claim.effect:.3g} [{claim.low:.3g}, {claim.high:.3g}]{unit}, claimed {claimed}; "
        f"p {_p(p_for)} for, {_p(p_against)} against"
    )


def _p(p: float | None) -> str:
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.2g}"


def untested_line(claims: Sequence[Claim], asked: bool) -> str:
    """One line for all that was not tested.

    Args:
        asked: whether the sweep has a family that the paper's claims speak of.
    """
    own = [f"{c.id} ({c.reason})" for c in claims if c.verdict == "not tested" and c.own]
    paper = [c.id for c in claims if c.verdict == "not tested" and not c.own]
    said = [f"not tested: {', '.join([*own, *paper] if asked else own)} (the report says what to run)"]
    if not asked:
        said = said if own else []
        said.append("the paper's claims ask for families in roles: claims: {plain: ..., skip: ...} in the sweep")
    return "; ".join(said) if own or paper else ""
