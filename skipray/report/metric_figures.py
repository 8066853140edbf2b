"""Figures by depth that follow from the metrics' own files: a new metric with a depth trend has its figure by that."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from skipray.analysis.followed_metrics import tracked_metrics, trains
from skipray.metrics import Tracked
from skipray.report import depth_figures
from skipray.report.chart import Chart
from skipray.report.groups import Layout

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate

MAIN = "accuracy-by-depth"
"""The first figure of a report, drawn by `main_figure`."""
SHARED = {
    "condition-by-depth": (
        "Condition number by depth",
        "Condition number κ (largest over smallest singular value) of hidden representations and of weights {when}, "
        "raw. Small marks are seeds, lines the fitted trends with simultaneous 95 % bands.",
    ),
    "rank-by-depth": (
        "Collapse by depth",
        "How many directions the hidden representations use {when}, and how alike those of two samples are (a cosine "
        "of 1: all samples are one direction).",
    ),
}
"""Title and caption of the figures that several metrics share; any other metric has a figure of its own."""


def by_depth(aggregate: "Aggregate", layout: Layout) -> Callable[[], Iterator[Chart | None]]:
    """A chart for each figure that a tracked metric names, those of several metrics first; None where nothing was
    measured. Returns what draws them: the bands that take longest are searched for from now on."""
    panels: dict[str, list[Tracked]] = {name: [] for name in SHARED}
    for one in tracked_metrics(aggregate.sweep).values():
        if one.trend and one.metric.figure not in (None, MAIN):
            panels.setdefault(one.metric.figure or _own_name(one), []).append(one)
    when = "after training" if trains(aggregate.sweep) else "at initialisation"
    figures = [_figure(name, shown, when) for name, shown in panels.items()]
    searched = depth_figures.search_bands(aggregate, figures)
    return lambda: (depth_figures.by_depth(aggregate, layout, figure, searched()) for figure in figures)


def _figure(name: str, shown: list[Tracked], when: str) -> depth_figures.DepthFigure:
    first = shown[0].metric
    title, caption = SHARED.get(name, (_own_title(shown[0]), f"{{when}}: {first.definition} ({first.source})."))
    return depth_figures.DepthFigure(
        file=name,
        title=title,
        metrics={one.key: one.axis for one in shown},
        caption=caption.replace("{when}", when) if name in SHARED else _capital(caption.format(when=when)),
        low=0.0 if name in SHARED or first.low == 0 else None,
    )


def _own_name(one: Tracked) -> str:
    return f"{one.metric.key.replace('.', '-').replace('_', '-')}-by-depth"


def _own_title(one: Tracked) -> str:
    return f"{_capital(one.metric.axis)} by depth"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
