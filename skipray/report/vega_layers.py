"""The layers of one panel in the language of Vega-Lite: bands, lines, marks, tiles, levels and limits."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from skipray.palette import Dash
from skipray.report.axes import Axis
from skipray.report.chart import LEVEL_STYLE, Array, Panel, Trace
from skipray.report.groups import plain

_DROPS: dict[Dash, tuple[list[float], float]] = {"dashed": ([6, 3], 1.0), "dotted": ([1, 4], 2.0)}
"""Upright lines: strokes and their width in pixels."""
TILE_OPACITY = (0.03, 0.75)
"""Of a tile of value 0 and of value 1."""
Json = dict[str, Any]
Paint = Callable[[str], str]
"""Colour of a name of the palette: a variable of the page's style, or one for paper."""
DASHES: dict[Dash, list[float]] = {"solid": [1, 0], "dashed": [6, 4], "dotted": [2, 3]}
SHAPES = {
    "circle": "circle",
    "square": "square",
    "triangle": "triangle-up",
    "diamond": "diamond",
    "cross": "cross",
    "wedge": "triangle-down",
    "right": "triangle-right",
    "left": "triangle-left",
}
FEW = 4
"""Marks of a line that has a few."""
ROW_HEIGHT = 22
"""Pixels of a row of names."""


def panel_view(panel: Panel, paint: Paint, *, height: int) -> Json:
    """A panel as a layered view without a width, a title or a legend of its own."""
    view = _View(panel, paint)
    layers = [
        *view.tiles(),
        *view.levels(),
        *view.drops(),
        *view.bands(),
        *view.lines(),
        *view.marks(),
        *view.censored(),
    ]
    if not layers:
        layers = [{"mark": "point", "data": {"values": []}}]
    tall = ROW_HEIGHT * len(panel.y.names) if panel.y.names else height
    return {
        "height": tall,
        "encoding": {"x": channel("x", panel.x), "y": channel("y", panel.y, _titled(panel))},
        "layer": layers,
    }


def heading(panel: Panel) -> str:
    """What stands above a panel: its title, or what it shows."""
    return panel.title or panel.y.label


def _titled(panel: Panel) -> bool:
    """Whether the upright axis says what it shows, where the heading does not."""
    return bool(panel.y.label) and heading(panel) != panel.y.label


def channel(name: str, axis: Axis, titled: bool = True) -> Json:
    """Position: scale and axis."""
    shown: Json = {"title": plain(axis.label) if titled else None}
    if axis.names:
        shown |= {"values": list(range(len(axis.names))), "labelExpr": f"{_texts(axis.names)}[datum.value]"}
        shown |= {"grid": False, "ticks": False, "labelLimit": 280}
    elif axis.exponent:
        shown |= {"values": list(axis.at), "labelExpr": "format(pow(10, datum.value), '.2~g')"}
    elif axis.at:
        whole = all(value == round(value) for value in axis.at)
        shown |= {"values": list(axis.at), "format": "~r" if whole else ".4~g", "labelOverlap": "greedy"}
    elif axis.whole:
        shown |= {"tickMinStep": 1, "format": "d"}
    elif axis.scale == "log":
        shown |= {"format": "~g", "tickCount": 5, "labelOverlap": "greedy"}
        shown["gridOpacity"] = {"condition": {"test": "datum.label === ''", "value": 0}, "value": 1}
    elif max(abs(axis.low), abs(axis.high)) >= 1e4:
        shown |= {"format": "~s"}
    if name == "x":
        shown |= {"grid": False, "labelSeparation": 8}  # numbers that touch read as one
    ends = [axis.low, axis.high]
    scale: Json = {"type": axis.scale, "domain": ends, "nice": False, "zero": False}
    if axis.names:
        scale = {"type": "linear", "domain": ends[::-1], "nice": False, "zero": False}
    if axis.scale == "log":
        del scale["zero"]
    return {"field": name, "type": "quantitative", "scale": scale, "axis": shown}


def _texts(names: tuple[str, ...]) -> str:
    """Names as an array of Vega's expressions, whose text literals are those of JSON."""
    return json.dumps([plain(name) for name in names])


class _View:
    """The layers of a panel."""

    def __init__(self, panel: Panel, paint: Paint):
        self.panel = panel
        styles = [t.style for t in panel.traces]
        styles += [LEVEL_STYLE] * len(panel.levels) + [drop.style for drop in panel.drops]
        styles += [panel.tiles.style] if panel.tiles else []
        self._numbers = list(range(len(styles)))
        self._colours = [paint(style.colour) for style in styles]
        self._styles = styles

    def _by(self, values: list[Any]) -> Json:
        """A channel with a value for each trace."""
        scale = {"domain": self._numbers, "range": values}
        return {"field": "k", "type": "nominal", "scale": scale, "legend": None}

    def _colour(self) -> Json:
        return self._by(self._colours)

    def _dash(self) -> Json:
        return self._by([DASHES[style.dash] for style in self._styles])

    def levels(self) -> list[Json]:
        first = len(self.panel.traces)
        rows = [{"k": first + i, "y": short(level.y)} for i, level in enumerate(self.panel.levels)]
        if not rows:
            return []
        encoding = {"x": None, "stroke": self._colour(), "strokeDash": self._dash()}
        return [{"mark": {"type": "rule", "clip": True}, "data": {"values": rows}, "encoding": encoding}]

    def drops(self) -> list[Json]:
        first = len(self.panel.traces) + len(self.panel.levels)
        out = []
        for dash, (strokes, width) in _DROPS.items():
            rows = [{"k": first + i, "x": short(d.x)} for i, d in enumerate(self.panel.drops) if d.dash == dash]
            if rows:
                mark = {"type": "rule", "clip": True, "strokeDash": strokes, "strokeWidth": width, "opacity": 0.8}
                encoding = {"y": None, "stroke": self._colour()}
                out.append({"mark": mark, "data": {"values": rows}, "encoding": encoding})
        return out

    def tiles(self) -> list[Json]:
        tiles = self.panel.tiles
        if tiles is None:
            return []
        edges = zip(tiles.left, tiles.right, tiles.low, tiles.high, tiles.value, strict=True)
        rows = [
            {"k": self._numbers[-1], "x": short(a), "r": short(b), "y": short(c), "t": short(d), "v": short(value)}
            for a, b, c, d, value in edges
        ]
        opacity: Json = {"field": "v", "type": "quantitative", "legend": None}
        opacity["scale"] = {"domain": [0, 1], "range": list(TILE_OPACITY)}
        encoding = {
            "x2": {"field": "r"},
            "y2": {"field": "t"},
            "fill": {"value": self._colours[-1]},
            "fillOpacity": opacity,
        }
        return [{"mark": {"type": "rect", "clip": True}, "data": {"values": rows}, "encoding": encoding}]

    def bands(self) -> list[Json]:
        rows = [
            {"k": k, "x": short(x), "l": short(low), "h": short(high)}
            for k, trace in enumerate(self.panel.traces)
            if trace.low is not None and trace.high is not None
            for x, low, high in zip(trace.x, self._inside(trace.low), self._inside(trace.high), strict=True)
            if low <= high
        ]
        if not rows:
            return []
        y: Json = {**channel("y", self.panel.y, _titled(self.panel)), "field": "l"}
        encoding = {"y": y, "y2": {"field": "h"}, "fill": self._colour(), "order": {"value": None}}
        return [
            {"mark": {"type": "area", "opacity": 0.14, "clip": True}, "data": {"values": rows}, "encoding": encoding}
        ]

    def _inside(self, edge: Array) -> Array:
        """A band's edge, which may be infinite, within the frame and a little beyond."""
        low, high = self.panel.y.low, self.panel.y.high
        if self.panel.y.scale == "log":
            return np.clip(edge, low / 2, high * 2)
        room = 0.1 * (high - low)
        return np.clip(edge, low - room, high + room)

    def lines(self) -> list[Json]:
        out = []
        for width in (5.0, 2.0, 1.2):
            rows = [
                {"k": k, "x": short(x), "y": short(y)}
                for k, trace in enumerate(self.panel.traces)
                if trace.line and _line_width(trace) == width
                for x, y in zip(trace.x, trace.y, strict=True)
            ]
            if rows:
                mark = {"type": "line", "clip": True, "strokeWidth": width, "strokeJoin": "round"}
                encoding = {"stroke": self._colour(), "strokeDash": self._dash(), "order": {"value": None}}
                out.append({"mark": mark, "data": {"values": rows}, "encoding": encoding})
        return out

    def marks(self) -> list[Json]:
        """Full, faint, open marks and rings."""
        looks: dict[str, Json] = {
            "faint": {"size": 26, "opacity": 0.6, "filled": True},
            "full": {"size": 46, "filled": True},
            "open": {"size": 60, "filled": False, "strokeWidth": 1.3},
            "ring": {"size": 190, "filled": False, "strokeWidth": 1.4},
        }
        out = []
        for look, mark in looks.items():
            rows = [
                {"k": k, "x": short(trace.x[i]), "y": short(trace.y[i])}
                for k, trace in enumerate(self.panel.traces)
                if trace.marks and ("faint" if trace.faint else trace.look) == look
                for i in _marked(trace)
            ]
            if rows:
                shape = self._by([SHAPES[style.marker] for style in self._styles])
                encoding = {"color": self._colour(), "shape": shape}
                layer = {"mark": {"type": "point", "clip": True, **mark}, "data": {"values": rows}}
                out.append({**layer, "encoding": encoding})
        return out

    def censored(self) -> list[Json]:
        rows = [
            {"k": k, "x": short(trace.x[i]), "y": short(trace.y[i]), "b": int(trace.censored[i])}
            for k, trace in enumerate(self.panel.traces)
            if trace.censored is not None
            for i in np.flatnonzero(trace.censored)
        ]
        if not rows:
            return []
        shape = {"condition": {"test": "datum.b > 0", "value": "triangle-up"}, "value": "triangle-down"}
        mark = {"type": "point", "filled": False, "size": 40, "strokeWidth": 1.2, "clip": True}
        return [{"mark": mark, "data": {"values": rows}, "encoding": {"color": self._colour(), "shape": shape}}]


def _line_width(trace: Trace) -> float:
    return 5.0 if trace.wide else 1.2 if trace.marks == "all" else 2.0


def _marked(trace: Trace) -> np.ndarray:
    """Positions of the points that are drawn with a marker; a bound has an arrowhead instead."""
    known = np.arange(len(trace.x)) if trace.censored is None else np.flatnonzero(trace.censored == 0)
    if trace.marks == "few" and len(known) > FEW:
        return known[np.round(np.linspace(0, len(known) - 1, FEW)).astype(int)]
    return known


def short(value: float) -> float | None:
    """Five digits, which no eye can tell from more; JSON has no infinity."""
    return float(f"{value:.5g}") if np.isfinite(value) else None
