"""The phase diagram: train accuracy over a factor and depth, the measured limits and the predicted curve over it."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skipray.analysis.phase import METRIC, Phase, PhaseColumn, phases
from skipray.palette import Style
from skipray.report.axes import Axis
from skipray.report.chart import Array, Chart, Key, Panel, Table, Tiles, Trace
from skipray.report.groups import MAX_FACETS, Layout, factor_columns, family, plain
from skipray.report.numbers import ABSENT, number
from skipray.report.predicted import PREDICTED, ratio_words
from skipray.report.vega_layers import TILE_OPACITY
from skipray.spec.cell import value_text
from skipray.trends.limit_words import limit_words

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.trends import Limit

TILE, MEASURED = Style("map"), Style("ink", "diamond")
CURVE = Style("ink", dash="dotted")
MEASURED_TEXT = "measured limit, 95 % interval"
MAX_ROWS = 60
FAR = 3.0
"""A predicted limit beyond the frame goes on to this times the frame's end."""


def phase_diagram(aggregate: "Aggregate", layout: Layout) -> Chart | None:
    """A panel for each combination of the other factors; None for a sweep without a numeric factor of enough values."""
    found = phases(aggregate)
    if not found:
        return None
    shown = found[:MAX_FACETS]
    panels = tuple(_panel(phase, layout) for phase in shown)
    factor = found[0].factor.replace("_", " ")
    low, high = TILE_OPACITY
    tiles = tuple(Key(f"train accuracy {number(v)}", TILE, "tile", low + (high - low) * v) for v in (0.0, 0.5, 1.0))
    predicted = any(p.depth is not None for phase in found for _, p in phase.curve)
    return Chart(
        name="phase-diagram",
        title=f"Phase diagram: train accuracy over {factor} and depth",
        caption=f"Each tile is the mean train accuracy of the seeds at one {factor} and "
        f"{layout.depth_words}. Diamonds are the "
        "measured trainability limits with their 95 % intervals; an arrowhead: it goes on beyond the depths tried."
        + (" The dotted curve is the limit that theory predicts at initialisation (where it leaves the frame, it lies "
           "beyond)." if predicted else " Theory predicts no limit for these networks."),
        alt=f"Train accuracy over {factor} and depth. "
        + "; ".join(
            f"{_title(phase, layout) or factor}, {value_text(c.value)}: "
            f"measured {'unknown' if c.measured is None else limit_words(c.measured, layout.at)}, "
            f"predicted {c.predicted.words}"
            for phase in shown
            for c in phase.columns[:12]
        ),
        panels=panels,
        legend=(*tiles, Key(MEASURED_TEXT, MEASURED, "both"), *((PREDICTED,) if predicted else ())),
        data=_data(found),
        tables=(_table(found, layout),),
        left_out=layout.left_out(len(shown), len(found)),
    )  # fmt: skip


def _title(phase: Phase, layout: Layout) -> str:
    """The family, where there are several, and the other factors that differ in the sweep."""
    words = [family(phase.columns[0].group)] if len(layout.families) > 1 else []
    rest = (k for k in phase.others if k in layout.varying)
    return ", ".join([*words, *(f"{k} {plain(value_text(phase.columns[0].group.values[k]))}" for k in rest)])


def _panel(phase: Phase, layout: Layout) -> Panel:
    depths = np.array(sorted({d for c in phase.columns for d in c.depths}), float)
    values = np.array([c.value for c in phase.columns])
    sides, levels = _edges(values, phase.logarithmic), _edges(depths, True)
    x = Axis(
        phase.factor.replace("_", " "),
        float(sides[0]),
        float(sides[-1]),
        "log" if phase.logarithmic else "linear",
        tuple(values.tolist()),
    )
    y = Axis(layout.depth_words, float(levels[0]), float(levels[-1]), "log", tuple(depths.tolist()))
    traces = [*_curves(phase, y), *itertools.chain.from_iterable(_limit(c, y, layout) for c in phase.columns)]
    return Panel(_title(phase, layout), x, y, tuple(traces), tiles=_tiles(phase, layout, depths, sides, levels))


def _edges(rising: Array, logarithmic: bool) -> Array:
    """Borders of tiles around values: half-way between neighbours, and as far out at the ends."""
    at = np.log(rising) if logarithmic else rising
    middle = (at[1:] + at[:-1]) / 2
    edges = np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]])
    return np.asarray(np.exp(edges) if logarithmic else edges)


def _tiles(phase: Phase, layout: Layout, depths: Array, sides: Array, levels: Array) -> Tiles:
    rows = []
    for i, column in enumerate(phase.columns):
        for depth, accuracy, seeds in zip(column.depths, column.accuracy, column.seeds, strict=True):
            j = int(np.searchsorted(depths, depth))
            text = (
                f"{phase.factor} {value_text(column.value)}, {layout.at(depth)}: train accuracy {number(accuracy)} "
                f"(mean of {seeds} {'seed' if seeds == 1 else 'seeds'}); predicted limit {column.predicted.words}"
            )
            rows.append((sides[i], sides[i + 1], levels[j], levels[j + 1], accuracy, column.value, depth, text))
    left, right, low, high, value, x, y = (np.array([row[i] for row in rows], float) for i in range(7))
    return Tiles("train accuracy", TILE, left, right, low, high, value, x, y, tuple(str(row[7]) for row in rows))


def _curves(phase: Phase, y: Axis) -> Iterator[Trace]:
    """The predicted limit, in as many pieces as it has gaps."""
    known = itertools.groupby(phase.curve, key=lambda point: point[1].depth is not None)
    for has, points in known:
        if has:
            piece = list(points)
            at = np.array([value for value, _ in piece])
            depth = np.array([min(float(p.depth or 0), y.high * FAR) for _, p in piece])
            yield Trace(PREDICTED.text, CURVE, at, depth)


def _limit(column: PhaseColumn, y: Axis, layout: Layout) -> Iterator[Trace]:
    """A diamond with its interval, arrowheads where they go on beyond the frame."""
    limit = column.measured
    if limit is None or not limit.monotone or (limit.depth is None and limit.censored == "none"):
        return
    at, words = column.value, f"{value_text(column.value)}: {limit_words(limit, layout.at)}"
    inside = y.low * 1.06, y.high / 1.06
    low = inside[0] if limit.low is None or limit.censored == "below" else limit.low
    high = inside[1] if limit.high is None or limit.censored == "above" else limit.high
    yield Trace(MEASURED_TEXT, MEASURED, np.array([at, at]), np.array([low, high]))
    for beyond, place in (("below", low), ("above", high)):
        if (limit.low if beyond == "below" else limit.high) is None or limit.censored == beyond:
            marker = Style("ink", "triangle" if beyond == "above" else "wedge")
            yield _mark(marker, at, place, words)
    if limit.depth is not None and limit.censored == "none":
        yield _mark(MEASURED, at, float(limit.depth), words)


def _mark(style: Style, x: float, y: float, words: str) -> Trace:
    return Trace(MEASURED_TEXT, style, np.array([x]), np.array([y]), line=False, marks="all", hover=(words,))


def _table(found: tuple[Phase, ...], layout: Layout) -> Table:
    """The figure in words: accuracy by depth, and both limits."""
    depths = sorted({d for phase in found for c in phase.columns for d in c.depths})
    rows = []
    for phase in found:
        for column in phase.columns:
            by_depth = dict(zip(column.depths, column.accuracy, strict=True))
            measured = column.measured
            rows.append((
                ", ".join(t for t in (f"{phase.factor} {value_text(column.value)}", _title(phase, layout)) if t),
                *(number(by_depth[d]) if d in by_depth else ABSENT for d in depths),
                ABSENT if measured is None else limit_words(measured, layout.at),
                column.predicted.words,
                ABSENT if measured is None else ratio_words(measured, column.predicted.depth),
            ))  # fmt: skip
    return Table(
        f"Mean train accuracy by {layout.depth_words}, the measured and the predicted limit, for each column of the "
        "maps." + (f" {MAX_ROWS} of {len(rows)} are listed." if len(rows) > MAX_ROWS else ""),
        ("Cells", *(layout.at(d) for d in depths), "Measured limit", "Predicted", "Measured / predicted"),
        tuple(rows[:MAX_ROWS]),
        frozenset({*range(1, len(depths) + 1), len(depths) + 2, len(depths) + 3}),
        folded="The maps as a table",
    )


def _data(found: tuple[Phase, ...]) -> pd.DataFrame:
    """One row per tile, per measured limit and per point of the predicted curve."""
    rows: list[dict[str, object]] = []
    for phase in found:
        others = {k: v for k, v in factor_columns(phase.columns[0].group).items() if k != phase.factor}
        for column in phase.columns:
            base = {**others, phase.factor: column.value}
            for depth, accuracy, seeds in zip(column.depths, column.accuracy, column.seeds, strict=True):
                rows.append({"kind": "tile", **base, "depth": depth, METRIC: accuracy, "seeds": seeds})
            if column.measured is not None:
                rows.append({"kind": "measured", **base, **_numbers(column.measured)})
        rows += [
            {"kind": "predicted", **others, phase.factor: value, "depth": limit.depth, "by": limit.rule}
            for value, limit in phase.curve
            if limit.depth is not None
        ]
    return pd.DataFrame(rows)


def _numbers(limit: "Limit") -> dict[str, object]:
    return {"depth": limit.depth, "low": limit.low, "high": limit.high, "censored": limit.censored}
