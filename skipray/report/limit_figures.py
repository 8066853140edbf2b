"""How deep each family trains: its trainability limit with the 95 % interval."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skipray.palette import Marker, Style
from skipray.report.axes import depth_axis, name_axis
from skipray.report.chart import Chart, Key, Panel, Trace
from skipray.report.groups import Layout, factor_columns, family
from skipray.trends.limit_words import limit_words

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.spec import Group

MOST_ROWS = 24
BEYOND: dict[str, Marker] = {"above": "right", "below": "left"}


def limits_chart(aggregate: "Aggregate", layout: Layout) -> Chart | None:
    """A row per group: the limit as a mark, its interval as a bar, an arrow where it lies beyond what was tried."""
    found = [
        (group, limit)
        for group, limit in aggregate.limits
        if limit.monotone and (limit.depth is not None or limit.censored != "none")
    ]
    if not found:
        return None
    shown = found[:MOST_ROWS]
    axis = depth_axis(layout.depths, layout.depth_words)
    traces: list[Trace] = []
    for row, (group, limit) in enumerate(shown):
        traces += _row(layout, group, limit, row, (axis.low, axis.high))
    families = dict.fromkeys(family(group) for group, _ in shown)
    return Chart(
        name="limits",
        title="How deep each family trains",
        caption=f"The trainability limit: the {layout.depth_words} at which half of the seeds no longer fit (see the "
        "top). A bar is its 95 % interval; an arrow means that it goes on beyond the depths tried.",
        alt=f"Trainability limits. {'; '.join(f'{layout.name(g)}: {limit_words(x, layout.at)}' for g, x in shown)}.",
        panels=(Panel("", axis, name_axis(layout.name(group) for group, _ in shown), tuple(traces)),),
        legend=tuple(Key(f, layout.styles[f], "both") for f in families) if len(shown) > len(families) else (),
        data=pd.DataFrame([
            {**factor_columns(g), "depth": lim.depth, "low": lim.low, "high": lim.high, "censored": lim.censored}
            for g, lim in found
        ]),
        left_out=layout.left_out(len(shown), len(found)),
    )  # fmt: skip


def _row(layout: Layout, group: "Group", limit: Any, row: int, ends: tuple[float, float]) -> list[Trace]:
    style, name = layout.style(group), family(group)
    words = f"{layout.name(group)}: {limit_words(limit, layout.at)}"
    inside = [ends[0] * 1.02, ends[1] / 1.02]
    low = inside[0] if limit.low is None or limit.censored == "below" else limit.low
    high = inside[1] if limit.high is None or limit.censored == "above" else limit.high
    low, high = (min(max(float(v), inside[0]), inside[1]) for v in (low, high))
    traces = [Trace(name, style, np.array([low, high]), np.full(2, float(row)), hover=(words, words))]
    for beyond, place in (("below", low), ("above", high)):
        edge = limit.low if beyond == "below" else limit.high
        if edge is None or limit.censored == beyond:
            traces.append(_mark(name, Style(style.colour, BEYOND[beyond]), place, row, words))
    if limit.depth is not None and limit.censored == "none":
        traces.append(_mark(name, style, float(limit.depth), row, words))
    return traces


def _mark(name: str, style: Style, depth: float, row: int, words: str) -> Trace:
    return Trace(name, style, np.array([depth]), np.array([float(row)]), line=False, marks="all", hover=(words,))
