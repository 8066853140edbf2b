"""Quantities by depth: accuracy with trainability limits, condition number, effective rank."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skipray.report.answer import limit_words
from skipray.report.chart import Chart, Key, Level, Limit, Panel, Trace
from skipray.report.groups import MAX_FACETS, Facet, Layout, family, group_names
from skipray.report.ticks import depth_axis, linear_axis, number

if TYPE_CHECKING:
    from skipray.aggregation import Aggregate, Group, Series

MAX_SINGLE = 400
"""More single trials than these in a panel hide their means: then only the means are drawn."""

BAND_POINTS = 48


def accuracy_by_depth(aggregate: "Aggregate", layout: Layout, chance: float | None) -> Chart | None:
    """The main figure: train and test accuracy, the limits, and chance."""
    levels = () if chance is None else (Level(chance, f"chance {number(chance)}"),)
    return by_depth(
        aggregate,
        layout,
        file="accuracy-by-depth",
        title="Accuracy by depth",
        metrics={"train.accuracy": "train accuracy", "test.accuracy": "test accuracy"},
        caption=(
            "Small marks are single seeds; lines are the fitted depth trends with simultaneous 95 % bands (where no "
            "curve fits, thin lines join the means). Above the curves: the trainability limit of each family, the "
            "depth at which half of the seeds train, with its 95 % interval; an arrow means beyond the depths tried."
        ),
        low=0.0,
        high=1.0,
        levels=levels,
        limits=True,
    )


def by_depth(
    aggregate: "Aggregate",
    layout: Layout,
    *,
    file: str,
    title: str,
    metrics: dict[str, str],
    caption: str,
    low: float | None = None,
    high: float | None = None,
    levels: tuple[Level, ...] = (),
    limits: bool = False,
) -> Chart | None:
    """A chart with a panel for each facet and metric; None when nothing of it was tracked.

    Args:
        metrics: MLflow key -> what the axis says.
        low, high: what the value axis holds at least.
    """
    tracked = [m for m in metrics if any(s.metric == m for s in aggregate.series)]
    if not tracked:
        return None
    found = {(s.metric, s.group): s for s in aggregate.series if s.metric in tracked}
    # Many combinations of factors: rather all of them of one metric than a few of all.
    shown_metrics = tracked[: max(1, MAX_FACETS // layout.facet_count)]
    facets = layout.facets(MAX_FACETS // len(shown_metrics))
    panels, censored = [], False
    for metric in shown_metrics:
        for facet in facets:
            members = [(g, found[metric, g]) for g in facet.groups if (metric, g) in found]
            if not members:
                continue
            censored |= any(any(s.censored) for _, s in members)
            label = metrics[metric]
            panels.append(
                _panel(aggregate, layout, facet, members, label, low, high, levels, limits, len(shown_metrics) > 1)
            )
    data = _data(list(found.values()))
    shown = list(dict.fromkeys(family(g) for f in facets for g in f.groups))
    summary = _summary(list(found.values()), metrics, layout)
    if censored:
        caption += " Hollow arrowheads: the value is only known to lie beyond the precision floor."
    return Chart(
        name=file,
        title=title,
        caption=caption,
        alt=_alt(title, list(found.values()), metrics, layout),
        panels=tuple(panels),
        legend=tuple(Key(f, layout.styles[f], "both") for f in shown),
        data=data,
        summary=summary,
        left_out=" ".join(
            (
                *([text] if (text := layout.left_out(len(facets), layout.facet_count)) else []),
                *(f"The data file also has: {metrics[m]}." for m in tracked[len(shown_metrics) :]),
            )
        ),
    )


def _panel(
    aggregate: "Aggregate",
    layout: Layout,
    facet: Facet,
    members: "list[tuple[Group, Series]]",
    label: str,
    low: float | None,
    high: float | None,
    levels: tuple[Level, ...],
    limits: bool,
    several: bool,
) -> Panel:
    traces: list[Trace] = []
    single = sum(len(s.depth) for _, s in members) <= MAX_SINGLE
    for group, series in members:
        traces += _traces(family(group), layout, group, series, single)
    values = [v for t in traces for v in t.y]
    # Bands may be far wider than the data at the ends; the axis follows them only so far.
    spread = (max(values) - min(values)) or abs(max(values)) or 1.0
    floor, ceiling = min(values) - 0.6 * spread, max(values) + 0.6 * spread
    for trace in traces:
        if trace.low is not None and trace.high is not None:
            values += [max(v, floor) for v in trace.low] + [min(v, ceiling) for v in trace.high]
    values += [level.y for level in levels]
    if low is not None and high is not None:
        values = [min(max(v, low), high) for v in values]
    marks: list[Limit] = []
    if limits:
        wanted = {g for g, _ in members}
        marks = [
            Limit(
                family(g),
                layout.style(g),
                lim.depth,
                lim.low,
                lim.high,
                lim.censored,
                f"{layout.name(g)}: {limit_words(lim)}",
            )
            for g, lim in aggregate.limits
            if g in wanted
        ]
    title = facet.title or (label if several else "")
    return Panel(
        title,
        depth_axis(layout.depths or [d for _, s in members for d in s.depth]),
        linear_axis(label, values, low=low, high=high),
        tuple(traces),
        levels,
        tuple(marks),
    )


def _traces(title: str, layout: Layout, group: "Group", series: "Series", single: bool) -> list[Trace]:
    style = layout.style(group)
    depth, value = np.asarray(series.depth, float), np.asarray(series.value, float)
    censored = np.asarray(series.censored, int)
    traces = []
    if single:
        beyond = {0: "", 1: " or more", -1: " or less"}
        hover = tuple(
            f"depth {d}, seed {s}: {number(v)}{beyond[c]}"
            for d, s, v, c in zip(series.depth, series.seed, series.value, series.censored, strict=True)
        )
        traces.append(
            Trace(title, style, depth, value, line=False, marks=True, faint=True, censored=censored, hover=hover)
        )
    at = np.unique(depth)
    means = np.array([value[depth == d].mean() for d in at])
    fitted = series.trend.curve is not None and series.trend.verdict == series.trend.curve
    if not fitted:
        hover = tuple(f"depth {d:.0f}: mean {number(m)}" for d, m in zip(at, means, strict=True))
        traces.append(Trace(title, style, at, means, marks=True, hover=hover if not single else None))
        return traces
    grid = np.unique(np.concatenate([np.geomspace(at[0], at[-1], BAND_POINTS), at]))
    mean, low, high = series.trend.simultaneous(grid)
    traces.append(Trace(title, style, grid, mean, low=low, high=high))
    if not single:
        hover = tuple(f"depth {d:.0f}: mean {number(m)}" for d, m in zip(at, means, strict=True))
        traces.append(Trace(title, style, at, means, line=False, marks=True, hover=hover))
    return traces


def _data(series: "list[Series]") -> pd.DataFrame:
    """One row a trial, then one row a depth for each fitted curve."""
    parts: list[pd.DataFrame] = []
    for s in series:
        base: dict[str, Any] = {"metric": s.metric, **group_names(s.group)}
        parts.append(
            pd.DataFrame(
                {"kind": "trial", **base, "depth": s.depth, "seed": s.seed, "value": s.value, "censored": s.censored}
            )
        )
        if s.trend.curve is not None:
            at = np.unique(np.asarray(s.depth, float))
            mean, low, high = s.trend.simultaneous(at)
            fit = {"kind": "fit", **base, "curve": s.trend.curve, "depth": at.astype(int), "value": mean}
            parts.append(pd.DataFrame({**fit, "low": low, "high": high}))
    return pd.concat(parts, ignore_index=True).astype({"seed": "Int64", "censored": "Int64"})


def _summary(series: "list[Series]", metrics: dict[str, str], layout: Layout) -> pd.DataFrame:
    """Mean of the seeds, groups down and depths across; at most 24 rows, which a page can hold."""
    rows = []
    for s in series[:24]:
        frame = pd.DataFrame({"depth": s.depth, "value": s.value}).groupby("depth")["value"].mean()
        label = layout.name(s.group) if len(metrics) == 1 else f"{layout.name(s.group)}: {metrics[s.metric]}"
        rows.append({"mean of the seeds": label} | {str(d): number(frame.get(d)) for d in layout.depths})
    return pd.DataFrame(rows)


def _alt(title: str, series: "list[Series]", metrics: dict[str, str], layout: Layout) -> str:
    parts = []
    for s in series[:8]:
        frame = pd.DataFrame({"depth": s.depth, "value": s.value}).groupby("depth")["value"].mean()
        ends = f"{number(frame.iloc[0])} at depth {frame.index[0]}"
        if len(frame) > 1:
            ends += f" to {number(frame.iloc[-1])} at depth {frame.index[-1]}"
        parts.append(f"{layout.name(s.group)}, {metrics[s.metric]}: {ends}")
    more = f"; and {len(series) - 8} more series" if len(series) > 8 else ""
    return f"{title}. Means: " + "; ".join(parts) + more + "."
