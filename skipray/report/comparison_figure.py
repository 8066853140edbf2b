"""The figure of `skipray compare`: the trends of two sweeps over depth, with their bands."""

from dataclasses import replace

import numpy as np
import pandas as pd

from skipray.analysis.aggregation import Aggregate
from skipray.analysis.comparison import shared_series
from skipray.analysis.series import Series
from skipray.metrics import describe
from skipray.palette import Style, family_styles
from skipray.report.axes import depth_axis, linear_axis
from skipray.report.chart import Chart, Key, Panel, Trace
from skipray.report.depth_figures import trend_band

PANELS = 4
"""Metrics that are drawn, the first that both have."""


def comparison_chart(a: Aggregate, b: Aggregate, names: tuple[str, str]) -> Chart | None:
    """The series that both sweeps have, A's in full lines and B's in dashed ones; None where they share none.

    Args:
        names: of the two sweeps, for the legend.
    """
    pairs = shared_series(a, b)
    metrics = list(dict.fromkeys(one.metric for one, _ in pairs))[:PANELS]
    if not metrics:
        return None
    styles = family_styles({one.group.label: one.group.architecture for one, _ in pairs})
    panels, keys, rows = [], {}, []
    for metric in metrics:
        traces: list[Trace] = []
        for one, two in (pair for pair in pairs if pair[0].metric == metric):
            first = replace(styles[one.group.label], marker="circle", dash="solid")
            for series, style, name in (
                (one, first, names[0]),
                (two, replace(first, marker="square", dash="dashed"), names[1]),
            ):
                text = f"{one.group.label}, {name}"
                keys[text] = Key(text, style, "both")
                traces += _traces(series, style, text)
                rows += [
                    (metric, name, one.group.label, *row)
                    for row in zip(series.depth, series.seed, series.value, strict=True)
                ]
        shown = [v for t in traces if t.marks for v in t.y]
        depths = sorted({int(v) for t in traces if t.marks for v in t.x})
        panels.append(Panel("", depth_axis(depths), linear_axis(_label(metric), shown), tuple(traces)))
    return Chart(
        name="comparison",
        title=f"{names[0]} and {names[1]}",
        caption="Small marks are seeds, lines the fitted trends with simultaneous 95 % bands.",
        alt=f"Depth trends of {names[0]} and {names[1]}.",
        panels=tuple(panels),
        legend=tuple(keys.values()),
        data=pd.DataFrame(rows, columns=["metric", "sweep", "group", "depth", "seed", "value"]),
    )


def _label(metric: str) -> str:
    try:
        return describe(metric).axis
    except ValueError:  # of a metric of one's own, or of another version's
        return metric


def _traces(series: Series, style: Style, name: str) -> list[Trace]:
    depth, value = np.asarray(series.depth, float), np.asarray(series.value, float)
    marks = Trace(name, style, depth, value, line=False, marks="all", faint=True)
    try:
        searched = series.trend.simultaneous(np.unique(depth)) if any(series.censored) else None
        at, mean, low, high = trend_band(series, drawn=True, searched=searched)
    except ValueError:  # too few depths for a curve: the marks alone
        return [marks]
    return [marks, Trace(name, style, at, mean, low=low, high=high)]
