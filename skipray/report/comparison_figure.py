"""The figure of `skipray compare`: the trends of two sweeps over depth, with their bands."""

from pathlib import Path
from typing import Any

import numpy as np

from skipray.analysis.aggregation import Aggregate, Series
from skipray.analysis.comparison import shared_series
from skipray.report.palette import COLOURS, family_styles

PANELS = 4
"""Metrics that are drawn, the first that both have."""


def draw_comparison(a: Aggregate, b: Aggregate, path: Path, names: tuple[str, str]) -> bool:
    """Draw the series that both sweeps have, A's in full lines and B's in dashed ones.

    Args:
        path: of the figure; its ending is the format (svg, pdf, png).

    Returns:
        Whether there was anything to draw.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    pairs = shared_series(a, b)
    metrics = list(dict.fromkeys(one.metric for one, _ in pairs))[:PANELS]
    if not metrics:
        return False
    styles = family_styles({one.group.label: one.group.architecture for one, _ in pairs})
    figure = Figure(figsize=(4.2 * len(metrics), 3.6), layout="constrained")
    for i, metric in enumerate(metrics):
        axes = figure.add_subplot(1, len(metrics), i + 1)
        for one, two in pairs:
            if one.metric == metric:
                colour = COLOURS[styles[one.group.label].colour][0]
                for series, style, mark, name in ((one, "-", "o", names[0]), (two, "--", "s", names[1])):
                    _draw(axes, series, colour, style, mark, f"{one.group.label}, {name}")
        axes.set_title(metric, fontsize=9)
        axes.set_xlabel("depth")
        axes.spines[["top", "right"]].set_visible(False)
    axes = figure.axes[0]
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.savefig(path)
    return True


def _draw(axes: Any, series: Series, colour: str, style: str, mark: str, label: str) -> None:
    axes.plot(series.depth, series.value, mark, color=colour, markersize=3, alpha=0.5)
    depths = np.linspace(min(series.depth), max(series.depth), 60)
    try:
        mean, low, high = series.trend.simultaneous(depths)
    except ValueError:  # too few depths for a curve: the marks alone
        axes.plot([], [], style, color=colour, label=label)
        return
    axes.plot(depths, mean, style, color=colour, label=label)
    finite = np.isfinite(low) & np.isfinite(high)
    axes.fill_between(depths, low, high, where=finite, color=colour, alpha=0.12, linewidth=0)
