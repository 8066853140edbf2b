"""A figure by depth: any tracked metrics, with fitted trends, their bands, and limits."""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skipray.analysis import elsewhere
from skipray.analysis.score import ACCURACIES
from skipray.palette import Style
from skipray.report.axes import Axis, depth_axis, linear_axis
from skipray.report.chart import Chart, Drop, Key, Level, Panel, Trace, level_keys
from skipray.report.groups import MAX_FACETS, Facet, Layout, factor_columns, family
from skipray.report.marking import keys, ring
from skipray.report.numbers import number
from skipray.report.predicted import PREDICTED, predicted_drops
from skipray.report.published import Published
from skipray.spec.display_names import display_name
from skipray.trends.depth_trend import simultaneous_bands
from skipray.trends.limit_words import limit_words

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.analysis.predicted_limit import PredictedLimit
    from skipray.analysis.series import Series
    from skipray.spec import Group

MAX_SINGLE = 400
"""More single trials than these in a panel hide their means: then only the means are drawn."""

BAND_POINTS = 48
MAX_BANDS = 10
"""Series of one panel that have bands: more cover each other and the lines."""
MAX_CENSORED_BANDS = 4
"""Bands of series with bounds that a figure draws: each of their limits is a search."""

Band = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Depths, mean, low, high: (K,) each."""
Edges = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Mean, low, high."""
Searched = Mapping[tuple[str, "Group"], Edges]
"""By metric and group."""
Bands = Callable[[tuple[str, "Group"]], Band]
"""Of a metric and a group."""


@dataclass(frozen=True)
class DepthFigure:
    """What a figure by depth shows."""

    file: str
    """Its name, and that of its files."""
    title: str
    metrics: Mapping[str, str]
    """MLflow key -> what the axis says."""
    caption: str
    low: float | None = None
    high: float | None = None
    """What the value axis holds at least, as `low`."""
    levels: Callable[[Facet], tuple[Level, ...]] = lambda facet: ()
    """Reference lines of a panel."""
    limits: bool = False
    """Whether the families' trainability limits are drawn."""
    predicted: "Mapping[Group, PredictedLimit]" = field(default_factory=dict)
    """Limits of groups, drawn where they lie among the depths tried."""
    published: tuple[Published, ...] = ()
    """Drawn as open marks where their depth is among those tried."""
    value_axis: Callable[..., Axis] = linear_axis
    """Of a label, values, low and high."""


def by_depth(
    aggregate: "Aggregate", layout: Layout, figure: DepthFigure, searched: Searched | None = None
) -> Chart | None:
    """A chart with a panel for each facet and metric; None when nothing of it was tracked.

    Args:
        searched: what `search_bands` found for several figures with this one among them; searched for here when None.
    """
    tracked = [m for m in figure.metrics if any(s.metric == m for s in aggregate.series)]
    if not tracked:
        return None
    found = {(s.metric, s.group): s for s in aggregate.series if s.metric in tracked}
    # Many combinations of factors: rather all of them of one metric than a few of all.
    shown_metrics = tracked[: max(1, MAX_FACETS // layout.facet_count)]
    facets = layout.facets(MAX_FACETS // len(shown_metrics))
    bounded = _bounded(aggregate, figure)
    known = searched if searched is not None else search_bands(aggregate, [figure])()
    band = functools.cache(lambda key: trend_band(found[key], key[0] in shown_metrics, known.get(key)))
    panels, drawn, shown = [], [], []
    for metric in shown_metrics:
        for facet in facets:
            members = [found[metric, g] for g in facet.groups if (metric, g) in found]
            if members:
                title = facet.title or (figure.metrics[metric] if len(shown_metrics) > 1 else "")
                panels.append(_panel(aggregate, layout, figure, facet, members, band, title))
                drawn += members
                shown.append(members)
    caption = figure.caption
    if any(any(s.censored) for s in drawn):
        caption += " Hollow arrowheads: a bound (of κ the precision floor); the truth lies beyond."
    if any(len(panel) > MAX_BANDS for panel in shown):
        caption += f" Bands of more than {MAX_BANDS} series would hide each other: the data file has them."
    if len(bounded) > MAX_CENSORED_BANDS:
        caption += f" Of the {len(bounded)} series with such bounds, {MAX_CENSORED_BANDS} have a band."
    left_out = [text] if (text := layout.left_out(len(facets), layout.facet_count)) else []
    left_out += [f"The data file also has: {figure.metrics[m]}." for m in tracked[len(shown_metrics) :]]
    series = list(found.values())
    return Chart(
        name=figure.file,
        title=figure.title,
        caption=caption,
        alt=_alt(figure.title, series, figure.metrics, layout),
        panels=tuple(panels),
        legend=_legend(layout, facets, panels),
        data=_data(series, band),
        summary=_summary(series, figure.metrics, layout),
        left_out=" ".join(left_out),
    )


def search_bands(aggregate: "Aggregate", figures: Iterable[DepthFigure]) -> Callable[[], Searched]:
    """The bands of series with bounds that these figures draw, side by side: one alone takes nearly as long as all.
    They are searched for beside this process; returns what waits for them."""
    wanted = [s for figure in figures for s in _bounded(aggregate, figure)[:MAX_CENSORED_BANDS]]
    if not wanted:
        return dict
    asked = [(s.trend, np.unique(np.asarray(s.depth, float))) for s in wanted]
    found = elsewhere.begin(simultaneous_bands, asked)
    return lambda: {(s.metric, s.group): band for s, band in zip(wanted, found(), strict=True)}


def _bounded(aggregate: "Aggregate", figure: DepthFigure) -> "list[Series]":
    return [s for s in aggregate.series if s.metric in figure.metrics and any(s.censored) and s.trend.curve is not None]


def _legend(layout: Layout, facets: Iterable[Facet], panels: list[Panel]) -> tuple[Key, ...]:
    traces = [t for p in panels for t in p.traces]
    return (
        *(Key(f, layout.styles[f], "both") for f in dict.fromkeys(family(g) for f in facets for g in f.groups)),
        *((Key("published", Style("ink", "diamond"), "open"),) if any(t.look == "open" for t in traces) else ()),
        *((PREDICTED,) if any(PREDICTED.text in d.keys for p in panels for d in p.drops) else ()),
        *level_keys(panels),
        *keys(traces),
    )


def _panel(
    aggregate: "Aggregate",
    layout: Layout,
    figure: DepthFigure,
    facet: Facet,
    members: "list[Series]",
    band: Bands,
    title: str,
) -> Panel:
    """One metric of one facet's groups.

    Args:
        members: at least one.
    """
    metric, groups = members[0].metric, [s.group for s in members]
    traces: list[Trace] = []
    single = sum(len(s.depth) for s in members) <= MAX_SINGLE
    for series in members:
        traces += _traces(family(series.group), layout, series, band, single, len(members) <= MAX_BANDS)
    for series in members:
        for depth in sorted({d for d in series.depth if (series.group, d) in layout.marked}):
            mean = float(np.mean([v for d, v in zip(series.depth, series.value, strict=True) if d == depth]))
            traces.append(ring([depth], [mean], f"{layout.name(series.group)}, {layout.at(depth)}"))
    here = tuple(p for p in figure.published if p.dataset in _data_of(aggregate, facet))
    traces += _published_traces(layout, here, metric)
    levels = figure.levels(facet)
    label = figure.metrics[metric]
    return Panel(
        title,
        depth_axis(layout.depths or [d for s in members for d in s.depth], layout.depth_words),
        figure.value_axis(label, _axis_values(traces, levels, figure), low=figure.low, high=figure.high),
        tuple(traces),
        levels,
        (
            *(_limit_drops(aggregate, layout, groups) if figure.limits else ()),
            *predicted_drops(layout, groups, figure.predicted),
        ),
    )


def _data_of(aggregate: "Aggregate", facet: Facet) -> set[str]:
    """Names of the data sets of a panel's groups."""
    cells = aggregate.sweep.group_cells
    return {cells[group].dataset.name for group in facet.groups if group in cells}


def _limit_drops(aggregate: "Aggregate", layout: Layout, groups: "list[Group]") -> list[Drop]:
    """The limits of these groups that lie among the depths tried."""
    return [
        Drop(family(g), layout.style(g), lim.depth, hover=f"trains to {limit_words(lim, layout.at)}")
        for g, lim in aggregate.limits
        if g in groups and lim.monotone and lim.depth is not None and lim.censored == "none"
    ]


BAND_ROOM = 0.25
"""How far beyond the values an axis follows a band, as a share of their range: bands may be far wider at the ends."""


def _axis_values(traces: list[Trace], levels: tuple[Level, ...], figure: DepthFigure) -> list[float]:
    """What the value axis must hold: values, reference lines, and of the bands what lies near."""
    values = [float(v) for t in traces if t.marks for v in t.y]
    if not values:
        return []
    spread = (max(values) - min(values)) or abs(max(values)) or 1.0
    floor, ceiling = min(values) - BAND_ROOM * spread, max(values) + BAND_ROOM * spread
    floor = floor if figure.low is None else max(floor, min(figure.low, *values))
    ceiling = ceiling if figure.high is None else min(ceiling, max(figure.high, *values))
    for trace in traces:
        # A trend through values at the precision floor may lie far above them.
        for drawn in (trace.y, trace.low, trace.high):
            values += [] if drawn is None else np.clip(drawn, floor, ceiling).tolist()
    return values + [level.y for level in levels]


def _published_traces(layout: Layout, published: tuple[Published, ...], metric: str) -> list[Trace]:
    """Open marks at the depths between those that were tried."""
    reach = (min(layout.depths, default=0), max(layout.depths, default=0))
    traces = []
    for one in published:
        value = one.test_accuracy if metric == "test.accuracy" else one.train_accuracy
        if value is None or metric not in ACCURACIES or not reach[0] <= one.depth <= reach[1]:
            continue
        bound = one.bound if metric == "test.accuracy" else 0
        title = display_name(one.architecture)
        name = f"{title} {one.variant}".strip()
        text = f"{layout.at(one.depth)}, published: {'below ' if bound else ''}{number(value)} ({one.source})"
        style = Style(layout.styles[title].colour, "diamond")
        x, y = np.array([float(one.depth)]), np.array([value])
        traces.append(
            Trace(name, style, x, y, line=False, marks="all", look="open", censored=np.array([bound]), hover=(text,),
                  keys=("published", title))
        )  # fmt: skip
    return traces


def trend_band(series: "Series", drawn: bool, searched: Edges | None) -> Band:
    """The fitted curve with its band: at the depths that were tried, and where it is drawn at enough others.

    Args:
        searched: of a series with bounds, its band at the depths that were tried; None where it has none.
    """
    tried = np.unique(np.asarray(series.depth, float))
    at = np.unique(np.concatenate([np.geomspace(tried[0], tried[-1], BAND_POINTS)[1:-1], tried])) if drawn else tried
    if not any(series.censored):
        return at, *series.trend.simultaneous(at)
    mean = series.trend.mean(at)
    if searched is None:
        return at, mean, np.full_like(at, np.nan), np.full_like(at, np.nan)
    # Between the depths that were tried the band follows the curve.
    centre, low, high = searched
    below, above = (_between(at, tried, edge - centre) for edge in (low, high))
    return at, mean, *np.clip([mean + below, mean + above], *series.trend.bounds)


def _between(at: np.ndarray, tried: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Straight lines over log depth; open wherever an end is."""
    found = np.interp(np.log(at), np.log(tried), np.clip(away, -1e300, 1e300))
    return np.where(np.abs(found) > 1e290, np.copysign(np.inf, found), found)


def _traces(title: str, layout: Layout, series: "Series", band: Bands, single: bool, banded: bool) -> list[Trace]:
    style = layout.style(series.group)
    depth, value = np.asarray(series.depth, float), np.asarray(series.value, float)
    censored = np.asarray(series.censored, int)
    traces = []
    if single:
        beyond = {0: "", 1: " or more", -1: " or less"}
        hover = tuple(
            f"{layout.at(d)}, seed {s}: {number(v)}{beyond[c]}"
            for d, s, v, c in zip(series.depth, series.seed, series.value, series.censored, strict=True)
        )
        traces.append(
            Trace(title, style, depth, value, line=False, marks="all", faint=True, censored=censored, hover=hover)
        )
    at = np.unique(depth)
    means = np.array([value[depth == d].mean() for d in at])
    fitted = series.trend.curve is not None and series.trend.verdict == series.trend.curve
    if not fitted:
        hover = tuple(f"{layout.at(d)}: mean {number(m)}" for d, m in zip(at, means, strict=True))
        traces.append(Trace(title, style, at, means, marks="all", hover=hover if not single else None))
        return traces
    grid, mean, low, high = band((series.metric, series.group))
    around = (low, high) if banded else (None, None)
    traces.append(Trace(title, style, grid, mean, low=around[0], high=around[1]))
    if not single:
        hover = tuple(f"{layout.at(d)}: mean {number(m)}" for d, m in zip(at, means, strict=True))
        traces.append(Trace(title, style, at, means, line=False, marks="all", hover=hover))
    return traces


def _data(series: "list[Series]", band: Bands) -> pd.DataFrame:
    """One row per trial, then one row per depth for each fitted curve."""
    parts: list[pd.DataFrame] = []
    for s in series:
        base: dict[str, Any] = {"metric": s.metric, **factor_columns(s.group)}
        parts.append(
            pd.DataFrame(
                {"kind": "trial", **base, "depth": s.depth, "seed": s.seed, "value": s.value, "censored": s.censored}
            )
        )
        if s.trend.curve is not None:
            grid, *lines = band((s.metric, s.group))
            tried = np.isin(grid, s.depth)
            at, mean, low, high = (line[tried] for line in (grid, *lines))
            fit = {"kind": "fit", **base, "curve": s.trend.curve, "depth": at.astype(int), "value": mean}
            parts.append(pd.DataFrame({**fit, "low": low, "high": high}))
    return pd.concat(parts, ignore_index=True).astype({"seed": "Int64", "censored": "Int64"})


def _summary(series: "list[Series]", metrics: Mapping[str, str], layout: Layout) -> pd.DataFrame:
    """Mean of the seeds, groups down and depths across; at most 24 rows, which a page can hold."""
    rows = []
    for s in series[:24]:
        frame = pd.DataFrame({"depth": s.depth, "value": s.value}).groupby("depth")["value"].mean()
        label = layout.name(s.group) if len(metrics) == 1 else f"{layout.name(s.group)}: {metrics[s.metric]}"
        rows.append({"mean of the seeds": label} | {str(d): number(frame.get(d)) for d in layout.depths})
    return pd.DataFrame(rows)


def _alt(title: str, series: "list[Series]", metrics: Mapping[str, str], layout: Layout) -> str:
    parts = []
    for s in series[:8]:
        frame = pd.DataFrame({"depth": s.depth, "value": s.value}).groupby("depth")["value"].mean()
        ends = f"{number(frame.iloc[0])} at {layout.at(frame.index[0])}"
        if len(frame) > 1:
            ends += f" to {number(frame.iloc[-1])} at {layout.at(frame.index[-1])}"
        parts.append(f"{layout.name(s.group)}, {metrics[s.metric]}: {ends}")
    more = f"; and {len(series) - 8} more series" if len(series) > 8 else ""
    return f"{title}. Means: " + "; ".join(parts) + more + "."
