"""Verdicts and accuracies as the terminal shows them, within 80 columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from skipray.analysis.score import judged_by
from skipray.claims import Claim
from skipray.terminal.blocks import Column, Grid
from skipray.terminal.visible import escape

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate, Series

STYLES = {
    "supported": "green", "in part": "green", "refuted": "red", "leaning": "yellow", "inconclusive": "yellow",
}  # fmt: skip
MOST_ROWS = 12
"""Rows of accuracies; the report has all."""


def claims_table(claims: Sequence[Claim]) -> Grid:
    """A row a claim that was tested: verdict, sentence, and the effect with its margin and both p."""
    rows = []
    for claim in claims:
        if claim.verdict != "not tested":
            style = STYLES[claim.verdict]
            words = f"{escape(claim.sentence)}\n[dim]{escape(numbers(claim))}[/dim]"
            rows.append((escape(claim.id), f"[{style}]{claim.verdict}[/{style}]", words))
    return Grid((Column("claim", whole=True), Column("verdict", whole=True), Column("what was found")), tuple(rows))


def numbers(claim: Claim) -> str:
    """`0.31 [0.12, inf] doublings of depth, claimed above 0; p 0.004 for, 1 against`: of the part that decides."""
    margin = claim.margin or 0.0
    claimed = f"within ±{margin:g}" if claim.wanted == "within" else f"{claim.wanted} {margin:g}"
    unit = f" {claim.effect_unit}" if claim.effect_unit else ""
    return (
        f"{claim.effect_label}: {claim.effect:.3g} [{claim.low:.3g}, {claim.high:.3g}]{unit}, claimed {claimed}; "
        f"p {_p(claim.p_holm)} for, {_p(claim.p_against_holm)} against"
    )


def _p(p: float | None) -> str:
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.2g}"


def untested_line(claims: Sequence[Claim], asked: bool) -> str:
    """One line for all that was not tested.

    Args:
        asked: whether the sweep has a family that the paper's claims speak of.
    """
    own = [c.id for c in claims if c.verdict == "not tested" and c.own]
    paper = [c.id for c in claims if c.verdict == "not tested" and not c.own]
    said = [f"not tested: {', '.join([*own, *paper] if asked else own)} (the report says what to run)"]
    if not asked:
        said = said if own else []
        said.append("the paper's claims ask for families in roles: claims: {plain: ..., skip: ...} in the sweep")
    return "; ".join(said) if own or paper else ""


def accuracy_table(result: "Aggregate") -> Grid | None:
    """Mean train and test accuracy (of values: loss) over the seeds, groups down and depths across."""
    keys = judged_by(result.trials)
    series = [s for s in result.series if s.metric in keys]
    groups = list(dict.fromkeys(s.group for s in series))
    depths = sorted({d for s in series for d in s.depth})
    if not groups or len(groups) > MOST_ROWS or len(depths) > MOST_ROWS:
        return None
    rows = []
    for group in groups:
        for metric in keys:
            one = next((s for s in series if s.group == group and s.metric == metric), None)
            if one is not None:
                name = f"{group.label}, {metric.partition('.')[0]}"
                rows.append((escape(name), *(_mean(one, depth) for depth in depths)))
    numbered = (Column(str(depth), right=True, whole=True) for depth in depths)
    return Grid((Column(f"{keys[0].rpartition('.')[2]} at depth"), *numbered), tuple(rows))


def _mean(series: "Series", depth: int) -> str:
    values = [v for d, v in zip(series.depth, series.value, strict=True) if d == depth]
    mean = np.mean(values) if values else 0.0
    return "-" if not values else f"{mean:.3f}" if mean < 10 else f"{mean:.4g}"
