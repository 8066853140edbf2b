"""A chart's panels as inline SVG: colours by CSS variables, so that they follow the page's scheme, and text as text.

Coordinates are those of a 420 x 300 box that the page scales. What a pointer reads is returned beside the drawing.
"""

import itertools
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup

from skipray.report.chart import Chart, Key, Limit, Panel, Trace
from skipray.report.groups import plain, title_lines
from skipray.report.palette import Marker, Style

WIDTH, HEIGHT = 420.0, 300.0
LEFT, RIGHT, BOTTOM = 54.0, 12.0, 42.0
TITLE, TOP = 20.0, 8.0
TITLE_LINE = 15.0
"""Height of a title's second line."""
LIMIT_ROW = 11.0
"""Height of a row that shows one family's trainability limit."""

Hover = dict[str, object]


@dataclass
class Drawing:
    """A panel's SVG, and the points that a pointer finds in it: [{n: name, c: colour, p: [[x, y, text], ...]}, ...]."""

    svg: Markup
    hover: list[Hover] = field(default_factory=list)


def draw(panel: Panel, alt: str) -> Drawing:
    """A panel as SVG; `alt` names it for those who cannot see it."""
    lines = title_lines(panel.title)
    top = TOP + (TITLE + TITLE_LINE * (len(lines) - 1) if lines else 0.0) + LIMIT_ROW * len(panel.limits)
    frame = _Frame(panel, LEFT, top, WIDTH - LEFT - RIGHT, HEIGHT - top - BOTTOM)
    parts = [_title(panel), _axes(frame)]
    parts += [_level(frame, level.y) for level in panel.levels]
    inner = [_band(frame, t) for t in panel.traces] + [_line(frame, t) for t in panel.traces]
    box = (f"{v:g}" for v in (frame.left, frame.top, frame.width, frame.height))
    clip = Markup('<svg class="clip" x="{}" y="{}" width="{}" height="{}">{}</svg>')
    parts.append(clip.format(*box, Markup("").join(inner)))
    parts += [_marks(frame, t) for t in panel.traces]
    parts += [_limit(frame, row, limit) for row, limit in enumerate(panel.limits)]
    # Above the lines, whose crossings its halo covers.
    parts += [_note(frame, level.y, level.text) for level in panel.levels]
    body = Markup("").join(parts)
    svg = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}" tabindex="0">{}</svg>').format(
        f"{WIDTH:g}", f"{HEIGHT:g}", plain(alt), body
    )
    return Drawing(svg, _hover(frame))


def swatch(key: Key) -> Markup:
    """A legend's sample of a line or mark."""
    line = Markup('<path class="line {}" d="M1 7H25" style="--c:var(--{})"/>').format(key.style.dash, key.style.colour)
    kind, radius = {"open": ("beyond", 4.5), "ring": ("around", 6.0)}.get(key.kind, ("mark", 4.0))
    mark = _shape(key.style, np.array([13.0]), np.array([7.0]), radius, kind)
    return Markup('<svg class="swatch" viewBox="0 0 26 14" aria-hidden="true">{}{}</svg>').format(
        line if key.kind in ("line", "both") else "", mark if key.kind != "line" else ""
    )


@dataclass
class _Frame:
    panel: Panel
    left: float
    top: float
    width: float
    height: float

    def x(self, value: np.ndarray | float) -> np.ndarray:
        return np.asarray(self.left + self.width * self.panel.x.share(value))

    def y(self, value: np.ndarray | float) -> np.ndarray:
        # Values far outside stay drawable numbers; the clip hides them.
        share = np.clip(self.panel.y.share(value), -3.0, 4.0)
        return np.asarray(self.top + self.height * (1.0 - share))


def _title(panel: Panel) -> Markup:
    if not panel.title:
        return Markup("")
    lines = (
        Markup('<tspan x="{}" y="{}">{}</tspan>').format(f"{LEFT:g}", f"{15 + TITLE_LINE * row:g}", line)
        for row, line in enumerate(title_lines(panel.title))
    )
    return Markup('<text class="title">{}</text>').format(Markup("").join(lines))


def _axes(frame: _Frame) -> Markup:
    right, bottom = frame.left + frame.width, frame.top + frame.height
    grid, labels = [], []
    for value, text in frame.panel.y.ticks:
        y = float(frame.y(value))
        grid.append(f"M{frame.left:g} {y:.1f}H{right:g}")
        labels.append(Markup('<text class="tick end" x="{}" y="{}">{}</text>').format(LEFT - 6, f"{y + 4:.1f}", text))
    ticks = []
    for value, text in frame.panel.x.ticks:
        x = float(frame.x(value))
        ticks.append(f"M{x:.1f} {bottom:g}v4")
        labels.append(
            Markup('<text class="tick middle" x="{}" y="{}">{}</text>').format(f"{x:.1f}", f"{bottom + 16:g}", text)
        )
    middle = frame.top + frame.height / 2
    labels.append(
        Markup('<text class="axis middle" x="{}" y="{}">{}</text>').format(
            f"{frame.left + frame.width / 2:g}", f"{HEIGHT - 7:g}", plain(frame.panel.x.label)
        )
    )
    labels.append(
        Markup('<text class="axis middle" transform="translate(13 {}) rotate(-90)">{}</text>').format(
            f"{middle:g}", plain(frame.panel.y.label)
        )
    )
    lines = Markup('<path class="grid" d="{}"/><path class="base" d="{}"/>').format(
        "".join(grid), f"M{frame.left:g} {bottom:g}H{right:g}" + "".join(ticks)
    )
    return lines + Markup("").join(labels)


def _level(frame: _Frame, value: float) -> Markup:
    y, right = float(frame.y(value)), frame.left + frame.width
    return Markup('<path class="level" d="M{} {}H{}"/>').format(f"{frame.left:g}", f"{y:.1f}", f"{right:g}")


def _note(frame: _Frame, value: float, text: str) -> Markup:
    y = float(frame.y(value))
    return Markup('<text class="note" x="{}" y="{}">{}</text>').format(
        f"{frame.left + 4:g}", f"{y - 4:.1f}", plain(text)
    )


def _points(x: np.ndarray, y: np.ndarray) -> str:
    return " ".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def _inside(frame: _Frame, trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """Points in the coordinates of the clipped box."""
    return frame.x(trace.x) - frame.left, frame.y(trace.y) - frame.top


def _band(frame: _Frame, trace: Trace) -> Markup:
    if trace.low is None or trace.high is None:
        return Markup("")
    x = frame.x(trace.x) - frame.left
    high, low = frame.y(trace.high) - frame.top, frame.y(trace.low) - frame.top
    path = f"M{_points(x, high)}L{_points(x[::-1], low[::-1])}Z"
    edges = f"M{_points(x, high)}M{_points(x, low)}"
    drawn = '<g style="--c:var(--{})"><path class="band" d="{}"/><path class="edge" d="{}"/></g>'
    return Markup(drawn).format(trace.style.colour, path, edges)


def _line(frame: _Frame, trace: Trace) -> Markup:
    if not trace.line or not len(trace.x):
        return Markup("")
    x, y = _inside(frame, trace)
    kind = f"line {trace.style.dash}" + (" thin" if trace.marks else "")
    return Markup('<path class="{}" d="M{}" style="--c:var(--{})"/>').format(kind, _points(x, y), trace.style.colour)


def _marks(frame: _Frame, trace: Trace) -> Markup:
    x, y = frame.x(trace.x), frame.y(trace.y)
    signs = np.zeros(len(x), dtype=int) if trace.censored is None else trace.censored
    out = Markup("")
    known = signs == 0
    if trace.marks:
        kind, radius = {"open": ("beyond", 4.5), "ring": ("around", 7.5)}.get(
            trace.look, ("mark faint", 2.7) if trace.faint else ("mark", 3.6)
        )
        out += _shape(trace.style, x[known], y[known], radius, kind)
    for sign in (1, -1):
        beyond = signs == sign
        if beyond.any():
            paths = "".join(
                f"M{a - 4:.1f} {b + sign * 2:.1f}l4 {-sign * 6}l4 {sign * 6}z"
                for a, b in zip(x[beyond], y[beyond], strict=True)
            )
            out += Markup('<path class="beyond" d="{}" style="--c:var(--{})"/>').format(paths, trace.style.colour)
    return out


_SHAPES: dict[Marker, list[tuple[float, float]]] = {
    "square": [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)],
    "triangle": [(0.0, -1.15), (1.05, 0.75), (-1.05, 0.75)],
    "diamond": [(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
    "pentagon": [(0.0, -1.1), (1.05, -0.34), (0.65, 0.9), (-0.65, 0.9), (-1.05, -0.34)],
    "cross": [
        (-0.4, -1.1),
        (0.4, -1.1),
        (0.4, -0.4),
        (1.1, -0.4),
        (1.1, 0.4),
        (0.4, 0.4),
        (0.4, 1.1),
        (-0.4, 1.1),
        (-0.4, 0.4),
        (-1.1, 0.4),
        (-1.1, -0.4),
        (-0.4, -0.4),
    ],
}


def _shape(style: Style, x: np.ndarray, y: np.ndarray, radius: float, kind: str) -> Markup:
    """All marks of a trace as one path."""
    if not len(x):
        return Markup("")
    if style.marker == "circle":
        arc = f"a{radius:g} {radius:g} 0 1 0 {2 * radius:g} 0a{radius:g} {radius:g} 0 1 0 {-2 * radius:g} 0"
        path = "".join(f"M{a - radius:.1f} {b:.1f}{arc}" for a, b in zip(x, y, strict=True))
    else:
        corners = _SHAPES[style.marker]
        steps = [(c[0] - p[0], c[1] - p[1]) for p, c in itertools.pairwise(corners)]
        tail = "l" + " ".join(f"{dx * radius:.3g} {dy * radius:.3g}" for dx, dy in steps) + "z"
        start = corners[0]
        path = "".join(
            f"M{a + start[0] * radius:.1f} {b + start[1] * radius:.1f}{tail}" for a, b in zip(x, y, strict=True)
        )
    return Markup('<path class="{}" d="{}" style="--c:var(--{})"/>').format(kind, path, style.colour)


def _limit(frame: _Frame, row: int, limit: Limit) -> Markup:
    """A row above the curves: the interval as a bar, the estimate as a mark with a line down, arrows for beyond."""
    y = frame.top - LIMIT_ROW * (len(frame.panel.limits) - row) + LIMIT_ROW / 2 - 2
    left, right = frame.left, frame.left + frame.width

    def at(depth: float | None, otherwise: float) -> float:
        return otherwise if depth is None else min(max(float(frame.x(depth)), left), right)

    low, high = at(limit.low, left), at(limit.high, right)
    style = Markup('style="--c:var(--{})"').format(limit.style.colour)
    paths = f"M{low:.1f} {y:.1f}H{high:.1f}"
    if limit.beyond == "above" or limit.high is None:
        paths += f"M{right - 4:.1f} {y - 3:.1f}l4 3l-4 3"
    if limit.beyond == "below" or limit.low is None:
        paths += f"M{left + 4:.1f} {y - 3:.1f}l-4 3l4 3"
    out = Markup('<g><title>{}</title><path class="limit" d="{}" {}/>').format(plain(limit.text), paths, style)
    if limit.depth is not None:
        x = np.array([at(limit.depth, left)])
        bottom = frame.top + frame.height
        out += Markup('<path class="drop" d="M{} {}V{}" {}/>').format(f"{x[0]:.1f}", f"{y:.1f}", f"{bottom:g}", style)
        out += _shape(limit.style, x, np.array([y]), 3.8, "mark")
    return out + Markup("</g>")


def _hover(frame: _Frame) -> list[Hover]:
    found: list[Hover] = []
    for trace in frame.panel.traces:
        if trace.hover is None:
            continue
        x, y = frame.x(trace.x), frame.y(trace.y)
        points = [[round(float(a), 1), round(float(b), 1), plain(t)] for a, b, t in zip(x, y, trace.hover, strict=True)]
        found.append({"n": plain(trace.name), "c": trace.style.colour, "p": points})
    return found


def panel_alt(chart: Chart, panel: Panel) -> str:
    """A panel's name: its title or its chart's, and its axes."""
    return f"{panel.title or chart.title}: {panel.y.label} by {panel.x.label}"
