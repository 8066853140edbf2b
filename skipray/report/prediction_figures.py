"""Closed-form predictions over what was measured at initialisation, and the ratio of the two."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skipray.analysis.predictions import BLOCK_LAYERS, QUANTITIES, Prediction, gradient_batch, predict
from skipray.palette import Style
from skipray.report.axes import Axis, linear_axis, log_axis
from skipray.report.chart import Chart, Key, Panel, Table, Trace
from skipray.report.groups import MAX_FACETS, Facet, Layout, cells_of, factor_columns, family, whole
from skipray.report.layer_axes import axis_of_layers, placed, profile_trace
from skipray.report.layer_figures import at_shared_depth
from skipray.report.numbers import number

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.spec import Group

MAX_ROWS = 60
"""Rows of the page's table; the data file has every layer."""


@dataclass(frozen=True)
class Compared:
    """A prediction beside what was measured, for one group and depth; rows are layers."""

    group: "Group"
    depth: int
    prediction: Prediction
    measured: pd.DataFrame
    """Of skipray.report.layer_figures.profiles."""

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Columns layer_index, measured, censored, predicted: the layers that have both."""
        predicted = pd.DataFrame({"layer_index": self.prediction.layer_index, "predicted": self.prediction.value})
        kept = self.measured[["layer_index", "value", "censored", "seeds"]].rename(columns={"value": "measured"})
        if len(predicted) == 1:  # one value for every layer, such as that of square weights
            return kept.assign(predicted=self.prediction.value[0])
        return kept.merge(predicted, on="layer_index")


def compare(aggregate: "Aggregate", layout: Layout, found: pd.DataFrame) -> list[Compared]:
    """Every prediction that has a measurement at initialisation, in the layout's order, shallow to deep."""
    start = found[found["stage"] == "start"]
    start = start.assign(key=start["tensor"].astype(object) + "." + start["statistic"].astype(object))
    start = start[start["key"].isin(list(QUANTITIES))].sort_values("layer_index")
    cells = cells_of(aggregate.sweep, layout)
    out = []
    for place, group in enumerate(layout.groups):
        mine = start[start["group"] == place]
        for depth, rows in mine.groupby("depth", sort=True):
            cell = cells.get((group, int(str(depth))))
            if cell is None:
                continue
            parts = {key: _inner(key, rows[rows["key"] == key]) for key in QUANTITIES}
            firsts = {key: _first(key, part) for key, part in parts.items() if len(part)}
            known = {key: value for key, value in firsts.items() if value is not None}
            samples = cell.probe.samples
            for prediction in predict(cell.model, samples, known, batch=gradient_batch(cell)):
                if prediction.key in known:
                    out.append(Compared(group, int(str(depth)), prediction, parts[prediction.key]))
    return [c for c in out if len(c.rows)]


def _inner(key: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Of weights without the stem and the classifier, which have other shapes than the square matrices between them."""
    return rows.iloc[1:-1] if key.startswith("weight.") else rows


def _first(key: str, rows: pd.DataFrame) -> float | None:
    """Where a formula begins: the stem, for gradients the last layer; None where it is only known to lie beyond."""
    row = rows.iloc[-1 if key.startswith("output_gradient") else 0]
    return float(row["value"]) if row["censored"] == 0 else None


def predictions_chart(layout: Layout, found: pd.DataFrame, compared: list[Compared]) -> Chart | None:
    """Measured (solid) and predicted (dashed) by layer at the largest depth that a panel's families share."""
    if not compared:
        return None
    start = found[found["stage"] == "start"]
    panels: list[Panel] = []
    drawn: list[Group] = []
    wanted = [(key, facet) for key in QUANTITIES for facet in layout.facets()]
    for key, facet in wanted:
        of_key = {(c.group, c.depth): c for c in compared if c.prediction.key == key}
        if not any(group in facet.groups for group, _ in of_key):
            continue
        # Square weights of one width are predicted alike, whatever else the facets differ in.
        if key.startswith("weight") and any(p.y.label == QUANTITIES[key] for p in panels):
            continue
        panel, groups = _panel(layout, facet, key, start, of_key)
        if panel is not None:
            panels.append(panel)
            drawn += groups
    if not panels:
        return None
    shown = panels[:MAX_FACETS]
    families = dict.fromkeys(family(g) for g in drawn)
    return Chart(
        name="predictions-at-initialisation",
        title="Predictions at initialisation",
        caption="Before training: measured by layer (solid, median over the seeds) and predicted by closed forms "
        "(dashed), at the largest depth that the families share. A prediction starts from the first measured layer, "
        "of gradients from the last; a family without a dashed line has no closed form here.",
        alt="Measured and predicted at initialisation. "
        + "; ".join(
            f"{layout.name(c.group)}, {layout.at(c.depth)}, {QUANTITIES[c.prediction.key]}: "
            f"measured {number(_compared(c)[1])}, predicted {number(_compared(c)[2])}"
            for c in _deepest(compared)[:8]
        ),
        panels=tuple(shown),
        legend=(
            *(Key(f, layout.styles[f], "line") for f in families),
            Key("predicted", Style("ink", dash="dashed"), "line"),
        ),
        data=_data(compared),
        tables=(_ratios(layout, compared),),
        left_out=f"{len(shown)} of {len(panels)} panels are drawn; the data file has all."
        if len(shown) < len(panels)
        else "",
    )


def _panel(
    layout: Layout,
    facet: Facet,
    key: str,
    start: pd.DataFrame,
    compared: "dict[tuple[Group, int], Compared]",
) -> "tuple[Panel | None, list[Group]]":
    tensor, _, statistic = key.partition(".")
    rows = start[(start["tensor"] == tensor) & (start["statistic"] == statistic)]
    parts = placed(at_shared_depth(layout, facet, rows))
    if not parts:
        return None, []
    traces: list[Trace] = []
    constant: dict[float, Trace] = {}
    for group, mine in parts.items():
        name, style = family(group), layout.style(group)
        trace = profile_trace(name, style, mine)
        # Networks that begin alike, as a twin and its plain network do, lie on one line: the first is wider.
        traces = [replace(t, wide=t.wide or _alike(t, trace)) for t in traces]
        traces.append(trace)
        one = compared.get((group, int(mine["depth"].iloc[0])))
        if one is None:
            continue
        prediction = one.prediction
        if len(prediction.value) == 1:
            constant[prediction.value[0]] = _constant(prediction.value[0], mine)
            continue
        hover = tuple(
            f"layer {i}: {number(v)} predicted" for i, v in zip(prediction.layer_index, prediction.value, strict=True)
        )
        scale = float(mine["place"].max() / max(mine["layer_index"].max(), 1)) or 1.0
        x, y = np.array(prediction.layer_index, float) * scale, np.array(prediction.value)
        traces.append(Trace(name, replace(style, dash="dashed"), x, y, hover=hover, keys=(name, "predicted")))
    values = np.concatenate([part["value"].to_numpy(float) for part in parts.values()])
    axis = _axis(key, np.concatenate([values, [*constant]]))
    depth = next(iter(parts.values()))["depth"].iloc[0]
    words = " · ".join(t for t in (facet.title, whole(layout.at(depth))) if t)
    return Panel(words, axis_of_layers(parts), axis, (*traces, *constant.values())), list(parts)


def _alike(first: Trace, second: Trace) -> bool:
    return len(first.y) == len(second.y) and bool(np.allclose(first.y, second.y, rtol=1e-3))


def _constant(value: float, rows: pd.DataFrame) -> Trace:
    """One value predicted for every layer, whatever the family."""
    x = np.array([rows["place"].min(), rows["place"].max()], float)
    words = f"every layer: {number(value)} predicted"
    style = Style("ink", dash="dashed")
    return Trace("predicted", style, x, np.array([value, value]), hover=(words, words))


def _axis(key: str, values: np.ndarray) -> Axis:
    """Of what was measured: a prediction beyond the precision floor leaves the panel."""
    if key == "output_gradient.gradient_norm":
        return log_axis(QUANTITIES[key], values)
    return linear_axis(QUANTITIES[key], values, low=0.0)


def _compared(one: Compared) -> tuple[int, float, float]:
    """Layer, measured and predicted where the formula has gone furthest and the value is still known."""
    rows = one.rows
    if len(one.prediction.value) == 1:
        return -1, float(rows["measured"].median()), one.prediction.value[0]
    known = rows[rows["censored"] == 0]
    row = (known if len(known) else rows).iloc[0 if one.prediction.tensor == "output_gradient" else -1]
    return int(row["layer_index"]), float(row["measured"]), float(row["predicted"])


def _ratio(one: Compared) -> float | None:
    """Measured over predicted on the scale of the premise: saturated or accumulated values would mislead."""
    layer, measured, predicted = _compared(one)
    if one.prediction.key == "hidden.mean_cosine":
        measured, predicted = 1 - measured, 1 - predicted
    if not predicted:
        return None
    ratio = measured / predicted
    if one.prediction.tensor != "output_gradient":
        return ratio
    passed = BLOCK_LAYERS * (max(one.prediction.layer_index) - layer)
    return float(ratio ** (1 / passed)) if passed and ratio > 0 else None


def _deepest(compared: list[Compared]) -> list[Compared]:
    """Of each group and quantity the deepest."""
    return list({(c.group, c.prediction.key): c for c in compared}.values())


WITHIN = 0.1
"""How far from 1 a ratio may be and still count as a hit, in the answer's sentence."""


def summary(compared: list[Compared]) -> str:
    """How far the closed forms hold, in a sentence; empty without any."""
    known = [_ratio(c) for c in compared]
    ratios = np.array([ratio for ratio in known if ratio is not None])
    if not len(ratios):
        return ""
    hits = int((np.abs(ratios - 1) <= WITHIN).sum())
    least, most = number(float(ratios.min()), 2), number(float(ratios.max()), 2)
    share = f"within {100 * WITHIN:.0f}\u00a0% in {hits} of {len(ratios)} comparisons of a quantity in a cell"
    return f"Closed forms hold {share}; measured over predicted is {least} to {most}."


def _ratios(layout: Layout, compared: list[Compared]) -> Table:
    """Measured over predicted, for every depth while they are few."""
    shown = compared if len(compared) <= MAX_ROWS else _deepest(compared)[:MAX_ROWS]
    order = {key: place for place, key in enumerate(QUANTITIES)}
    rows = []
    for c in sorted(shown, key=lambda c: order[c.prediction.key]):
        layer, measured, predicted = _compared(c)
        ratio = _ratio(c)
        rows.append((
            QUANTITIES[c.prediction.key], layout.name(c.group), str(c.depth), "all" if layer < 0 else str(layer),
            number(predicted), number(measured), "–" if ratio is None else f"{ratio:.3f}", c.prediction.source,
        ))  # fmt: skip
    return Table(
        "Measured over predicted at initialisation, at the last layer whose value is not beyond the precision floor "
        "(of gradients the first), on the scale of the premise: of cosines that of 1 − c, of gradients the growth per "
        "weight layer. A ratio of 1: the closed form holds.",
        ("Quantity", "Cells", "Depth", "Layer", "Predicted", "Measured", "Measured / predicted", "Formula"),
        tuple(rows),
        frozenset({2, 3, 4, 5, 6}),
        folded="Measured and predicted values" if len(rows) > 6 else "",
    )


def _data(compared: list[Compared]) -> pd.DataFrame:
    parts = []
    for c in compared:
        rows = c.rows.assign(ratio=lambda r: r["measured"] / r["predicted"], source=c.prediction.source)
        rows.insert(0, "quantity", c.prediction.key)
        rows.insert(1, "depth", c.depth)
        for place, (name, value) in enumerate(factor_columns(c.group).items()):
            rows.insert(1 + place, name, value)
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)
