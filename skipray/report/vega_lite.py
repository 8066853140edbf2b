"""A chart in the language of Vega-Lite: one description, which the page draws with its pointer and its legend and which
`paper` draws as files.

Rows have short names, since a page holds thousands: `k` is the trace, `x` and `y` the place, `l` and `h` a band's
edges, `b` whether the truth lies above (1) or below (-1).
"""

from typing import Any

import numpy as np

from skipray.palette import on_white
from skipray.report.chart import LEVEL_STYLE, Chart, Key, Panel
from skipray.report.groups import plain
from skipray.report.vega_layers import DASHES, SHAPES, Json, Paint, heading, panel_view, short


def on_page(chart: Chart, panel: Panel, paint: Paint) -> Json:
    """A panel for the page: as wide as its place, with a zoom, and with what a pointer reads beside it.

    `usermeta` has for each trace its name, its colour and the positions in the legend that hide it, and the points that
    can be read: [trace, x, y, text].
    """
    view = panel_view(panel, paint, height=230)
    view["layer"] = [{**layer, "transform": [{"filter": _SHOWN}]} for layer in view["layer"]]
    view["layer"].append({
        "mark": {"type": "point", "opacity": 0},
        "data": {"values": []},
        "params": [{
            "name": "zoom",
            "select": {"type": "interval", "zoom": "wheel![event.shiftKey]", "translate": _DRAG},
            "bind": "scales",
        }],
    })  # fmt: skip
    place = {key.text: i for i, key in enumerate(chart.legend)}
    traces = [(t.name, t.style, t.hidden_by) for t in panel.traces]
    traces += [(level.text, LEVEL_STYLE, (level.text,)) for level in panel.levels]
    traces += [(drop.name, drop.style, drop.hidden_by) for drop in panel.drops]
    traces += [(panel.tiles.name, panel.tiles.style, (panel.tiles.name,))] if panel.tiles else []
    points = _points(panel)
    return {
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "params": [{"name": "hidden", "value": []}],
        **view,
        "usermeta": {
            "traces": [
                [plain(name), paint(style.colour), [place[key] for key in keys if key in place]]
                for name, style, keys in traces
            ],
            "points": points,
        },
    }


def _points(panel: Panel) -> list[list[Any]]:
    """What a pointer reads: [trace, x, y, text]."""
    read = [(k, trace.x, trace.y, trace.hover or ()) for k, trace in enumerate(panel.traces)]
    first = len(panel.traces) + len(panel.levels)
    top = np.array([panel.y.high])
    read += [(first + i, np.array([d.x]), top, (d.hover,)) for i, d in enumerate(panel.drops) if d.hover]
    if panel.tiles is not None:
        read.append((first + len(panel.drops), panel.tiles.x, panel.tiles.y, panel.tiles.hover))
    return [
        [k, short(x), short(y), plain(text)]
        for k, places, heights, texts in read
        for x, y, text in zip(places, heights, texts, strict=False)
    ]


_SHOWN = "indexof(hidden, datum.k) < 0"
_DRAG = "[mousedown, window:mouseup] > window:mousemove!"
"""A mouse's, so that a finger scrolls the page."""


def for_paper(chart: Chart, paint: Paint, *, width: int, height: int, columns: int) -> Json:
    """The whole chart: its panels in rows, with their titles and the legend."""
    views = []
    for place, panel in enumerate(chart.panels):
        view = {"width": width, **panel_view(panel, paint, height=height)}
        if heading(panel):
            view["title"] = {"text": _lines(heading(panel), width), "anchor": "start", "frame": "group"}
        if place == 0 and chart.legend:
            # Else the legend's scales would be one with those of the traces.
            view["resolve"] = {"scale": dict.fromkeys(_OF_LEGEND, "independent")}
            view["layer"] = [*view["layer"], _legend(chart.legend, paint, width * min(columns, len(chart.panels)))]
        views.append(view)
    # Traces are numbered in each panel anew: their scales are the panel's own.
    own = dict.fromkeys((*_OF_LEGEND, "color"), "independent")
    return {"concat": views, "columns": columns, "spacing": 18, "resolve": {"scale": own}}


_OF_LEGEND = ("stroke", "fill", "shape", "strokeDash")


def _legend(keys: tuple[Key, ...], paint: Paint, width: int) -> Json:
    """A layer without points, whose scales have the legend."""
    texts = [plain(key.text) for key in keys]
    colours = [
        on_white(paint(key.style.colour), key.opacity) if key.kind == "tile" else paint(key.style.colour)
        for key in keys
    ]
    shapes = [
        "stroke" if key.kind == "line" else "square" if key.kind == "tile" else SHAPES[key.style.marker] for key in keys
    ]
    fills = ["transparent" if key.kind in ("line", "open", "ring") else c for key, c in zip(keys, colours, strict=True)]
    dashes = [DASHES[key.style.dash] if key.kind in ("line", "both") else DASHES["solid"] for key in keys]
    longest = max(len(text) for text in texts)
    legend = {
        "orient": "top",
        "title": None,
        "columns": max(1, int(width / (6 * longest + 34))),
        "symbolStrokeWidth": 1.4,
        "symbolOpacity": 1,
        "symbolSize": 60,
        "labelLimit": 400,
    }

    def channel(values: list[Any]) -> Json:
        return {"field": "key", "type": "nominal", "scale": {"domain": texts, "range": values}, "legend": legend}

    return {
        "mark": {"type": "point"},
        "data": {"values": []},
        "encoding": {
            "x": {"datum": 0, "type": "quantitative"},
            "stroke": channel(colours),
            "fill": channel(fills),
            "shape": channel(shapes),
            "strokeDash": channel(dashes),
        },
    }


def _lines(title: str, width: int) -> list[str]:
    """A title in lines that a panel holds."""
    import textwrap

    lines = textwrap.wrap(plain(title), max(12, int(width / 5.2)), break_long_words=True)
    return lines if len(lines) <= 2 else [lines[0], lines[1][:-1] + "…"]
