"""Predicted beside measured limits: upright lines in the figure by depth, and a table of their ratio."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from skipray.analysis.limit_order import order_of_limits, words
from skipray.palette import Style
from skipray.report.chart import Drop, Key, Table
from skipray.report.groups import Layout, family
from skipray.report.numbers import ABSENT, number
from skipray.trends.limit_words import limit_words

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.analysis.predicted_limit import PredictedLimit
    from skipray.spec import Group
    from skipray.trends import Limit

PREDICTED = Key("predicted limit", Style("ink", dash="dotted"), "line")
MAX_ROWS = 60
OPEN_ROWS = 6
"""A longer table is folded away on the screen."""


def predicted_drops(
    layout: Layout, groups: "Iterable[Group]", predicted: "Mapping[Group, PredictedLimit]"
) -> list[Drop]:
    """A dotted line at each predicted limit that lies among the depths tried."""
    drops = []
    for group in groups:
        limit = predicted.get(group)
        if limit is None or limit.depth is None or not layout.depths:
            continue
        if layout.depths[0] <= limit.depth <= layout.depths[-1]:
            words = f"predicted limit {limit.words} ({limit.rule}; {limit.source})"
            name = family(group)
            drops.append(Drop(name, layout.style(group), limit.depth, "dotted", words, (name, PREDICTED.text)))
    return drops


def predicted_table(
    aggregate: "Aggregate", layout: Layout, predicted: "Mapping[Group, PredictedLimit]"
) -> Table | None:
    """Measured limit, predicted limit and their ratio; None where theory says nothing of any group."""
    measured = dict(aggregate.limits)
    said = [(g, predicted[g]) for g in layout.groups if g in predicted and predicted[g].depth is not None]
    if not said:
        return None
    rows = []
    for group, limit in said[:MAX_ROWS]:
        found = measured.get(group)
        rows.append((
            layout.name(group),
            "not measured yet" if found is None else limit_words(found, layout.at),
            limit.words,
            ABSENT if found is None else ratio_words(found, limit.depth),
            f"{limit.rule} ({limit.source})",
        ))  # fmt: skip
    silent = sum(predicted[g].depth is None for g in layout.groups if g in predicted)
    left = f" {MAX_ROWS} of {len(said)} are listed." if len(said) > MAX_ROWS else ""
    order = order_of_limits(measured, predicted)
    agreement = f" {words(order)}" if order is not None else ""
    sources = dict.fromkeys(f"{limit.source}: {limit.premise}." for _, limit in said)
    premises = " ".join(text[:1].upper() + text[1:] for text in sources)
    return Table(
        f"Limit measured and predicted at initialisation, as {layout.depth_words}, and measured over predicted (of two "
        "predicted depths over the first). No prediction knows the learning rate or the length of the training."
        + (f" Nothing is predicted for {silent} of {len(layout.groups)}." if silent else "")
        + f"{agreement}{left} {premises}",
        ("Cells", "Measured limit", "Predicted", "Measured / predicted", "By"),
        tuple(rows),
        frozenset({2, 3}),
        folded="Measured and predicted limits" if len(rows) > OPEN_ROWS else "",
    )


def ratio_words(measured: "Limit", predicted: float | None) -> str:
    """`0.84`, `above 1.5` where the measured limit lies beyond the deepest depth tried; a dash where there is none."""
    if predicted is None or predicted == float("inf") or not measured.monotone:
        return ABSENT
    tried = [c.depth for c in measured.counts if c.trials]
    if measured.censored != "none" and tried:
        edge = tried[-1] if measured.censored == "above" else tried[0]
        return f"{measured.censored} {number(edge / predicted, 2)}"
    return ABSENT if measured.depth is None else number(measured.depth / predicted, 2)
