"""A chart as SVG and PDF for a paper, drawn by matplotlib from the same values as the page's figures.

Sizes are fixed in inches, since fitting a layout costs more than drawing it. Files do not depend on the time.
"""

import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skipray.report.chart import Chart, Key, Limit, Panel, Trace
from skipray.report.groups import plain, title_lines
from skipray.report.palette import COLOURS, Dash, Marker, Style
from skipray.report.paper_font import families

PANEL_INCHES = (3.1, 2.35)
LEFT, RIGHT, TOP, BOTTOM = 0.58, 0.12, 0.34, 0.46
LEGEND_INCHES = 0.26
LIMIT_INCHES = 0.11
LINE_INCHES = 0.13
"""A title's second line."""

_MARKERS: dict[Marker, str] = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "cross": "P",
    "pentagon": "p",
}
_DASHES: dict[Dash, Any] = {"solid": "-", "dashed": "--", "dotted": ":"}
_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.4,
    "svg.fonttype": "none",
    "svg.hashsalt": "skipray",
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "text.usetex": False,
}


def save(chart: Chart, folder: Path) -> tuple[Path, Path]:
    """Write NAME.svg and NAME.pdf into the folder; returns their paths."""
    svg, pdf = folder / f"{chart.name}.svg", folder / f"{chart.name}.pdf"
    with mpl.rc_context(_SETTINGS | {"font.sans-serif": families()}), warnings.catch_warnings():
        # A name may hold letters that the font has not; they are drawn as boxes.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        figure = _figure(chart)
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": "skipray", "Title": plain(chart.title)})
        figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Title": plain(chart.title)})
    return svg, pdf


def _figure(chart: Chart) -> Figure:
    columns = min(len(chart.panels), 3)
    rows = -(-len(chart.panels) // columns)
    width, height = PANEL_INCHES[0] * columns, PANEL_INCHES[1] * rows
    per_row = max(1, int(width / 1.05))
    legend_rows = -(-len(chart.legend) // per_row)
    legend = LEGEND_INCHES * legend_rows if chart.legend else 0.0
    total = height + legend
    figure = Figure(figsize=(width, total))
    FigureCanvasAgg(figure)
    for place, panel in enumerate(chart.panels):
        row, column = divmod(place, columns)
        room = LIMIT_INCHES * len(panel.limits) + LINE_INCHES * max(len(title_lines(panel.title)) - 1, 0)
        left = column * PANEL_INCHES[0] + LEFT
        bottom = (rows - 1 - row) * PANEL_INCHES[1] + BOTTOM
        size = (PANEL_INCHES[0] - LEFT - RIGHT, PANEL_INCHES[1] - TOP - BOTTOM - room)
        axes = figure.add_axes((left / width, bottom / total, size[0] / width, size[1] / total))
        _draw(axes, panel, size[1])
    if chart.legend:
        figure.legend(
            handles=[_handle(key) for key in chart.legend],
            loc="upper center",
            ncols=min(per_row, len(chart.legend)),
            frameon=False,
            borderaxespad=0.2,
            handlelength=1.8,
            columnspacing=1.2,
        )
    return figure


def _draw(axes: Axes, panel: Panel, height_inches: float) -> None:
    for axis, limits, scale, ticks in (
        (axes.xaxis, axes.set_xlim, axes.set_xscale, panel.x),
        (axes.yaxis, axes.set_ylim, axes.set_yscale, panel.y),
    ):
        scale(ticks.scale)
        limits(ticks.low, ticks.high)
        axis.set_ticks([value for value, _ in ticks.ticks], labels=[text for _, text in ticks.ticks])
        axis.set_ticks([], minor=True)
    axes.set_xlabel(plain(panel.x.label))
    axes.set_ylabel(plain(panel.y.label))
    axes.grid(True, axis="y", color="#e3e5e8", linewidth=0.5)
    axes.set_axisbelow(True)
    for level in panel.levels:
        axes.axhline(level.y, color="#6a6f77", linewidth=0.8, linestyle=":")
        axes.annotate(plain(level.text), (0.01, level.y), xycoords=("axes fraction", "data"), fontsize=6.5, va="bottom")
    for trace in panel.traces:
        _trace(axes, trace)
    for row, limit in enumerate(panel.limits):
        _limit(axes, limit, 1.0 + (len(panel.limits) - row - 0.5) * LIMIT_INCHES / height_inches)
    if panel.title:
        pad = 3.0 + 72.0 * LIMIT_INCHES * len(panel.limits)
        axes.set_title("\n".join(title_lines(panel.title)), loc="left", pad=pad)


def _trace(axes: Axes, trace: Trace) -> None:
    colour = _colour(trace.style)
    if trace.low is not None and trace.high is not None:
        # A limit may be infinite; the band then ends at the frame.
        least, most = sorted(axes.get_ylim())
        low, high = (np.clip(edge, least, most) for edge in (trace.low, trace.high))
        axes.fill_between(trace.x, low, high, color=colour, alpha=0.15, linewidth=0)
    if trace.line:
        width = 0.8 if trace.marks else 1.4
        axes.plot(trace.x, trace.y, color=colour, linestyle=_DASHES[trace.style.dash], linewidth=width)
    signs = np.zeros(len(trace.x), dtype=int) if trace.censored is None else trace.censored
    if trace.marks:
        known = signs == 0
        axes.plot(
            trace.x[known],
            trace.y[known],
            linestyle="none",
            marker=_MARKERS[trace.style.marker],
            alpha=0.55 if trace.faint else 1.0,
            **_look(trace.look, colour, 2.6 if trace.faint else 3.8),
        )
    for sign, marker in ((1, "^"), (-1, "v")):
        beyond = signs == sign
        if beyond.any():
            axes.plot(
                trace.x[beyond],
                trace.y[beyond],
                linestyle="none",
                marker=marker,
                markerfacecolor="white",
                markeredgecolor=colour,
                markeredgewidth=0.8,
                markersize=4,
            )


def _limit(axes: Axes, limit: Limit, height: float) -> None:
    colour = _colour(limit.style)
    left, right = axes.get_xlim()
    low = left if limit.low is None else min(max(limit.low, left), right)
    high = right if limit.high is None else min(max(limit.high, left), right)
    across = axes.get_xaxis_transform()
    axes.plot([low, high], [height, height], transform=across, color=colour, linewidth=1.2, clip_on=False)
    for shown, x, marker in ((limit.high is None, right, ">"), (limit.low is None, left, "<")):
        if shown:
            axes.plot([x], [height], transform=across, color=colour, marker=marker, markersize=3, clip_on=False)
    if limit.depth is not None:
        x = min(max(limit.depth, left), right)
        axes.plot([x, x], [0, height], transform=across, color=colour, linewidth=0.6, linestyle="--", clip_on=False)
        axes.plot(
            [x],
            [height],
            transform=across,
            color=colour,
            marker=_MARKERS[limit.style.marker],
            markersize=4,
            clip_on=False,
        )


def _handle(key: Key) -> Line2D:
    return Line2D(
        [],
        [],
        color=_colour(key.style),
        linestyle=_DASHES[key.style.dash] if key.kind in ("line", "both") else "none",
        marker="none" if key.kind == "line" else _MARKERS[key.style.marker],
        **_look(key.kind, _colour(key.style), 4),
        label=_legend_text(plain(key.text)),
    )


def _look(look: str, colour: str, size: float) -> dict[str, Any]:
    """How a mark is filled: published values are open, what breaks the protocol has a ring around it."""
    if look == "open":
        return {"markersize": 4.5, "markerfacecolor": "white", "markeredgecolor": colour, "markeredgewidth": 0.8}
    if look == "ring":
        return {"markersize": 7.5, "markerfacecolor": "none", "markeredgecolor": colour, "markeredgewidth": 0.9}
    return {"markersize": size, "markerfacecolor": colour, "markeredgewidth": 0}


def _legend_text(text: str) -> str:
    # matplotlib leaves labels that start with an underscore out of the legend.
    return "\u200b" + text if text.startswith("_") else text


def _colour(style: Style) -> str:
    return COLOURS[style.colour][0]
