"""How activations and weights are distributed at the first and the last layer: the paper's Figs. 5 to 10."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skipray.report.axes import linear_axis, log_axis
from skipray.report.chart import Chart, Key, Panel, Table, Trace
from skipray.report.groups import Layout, factor_columns, family, positions, whole
from skipray.report.layer_figures import at_shared_depth, stage_of
from skipray.report.marking import keys, ring_at_end
from skipray.report.numbers import number

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.spec import Group

TENSORS = {"hidden": "activations", "weight": "weights"}
ENDS = ("first", "last")
MAX_PANELS = 12
_ZEROS = " An upright line at 0 is the share of entries that are exactly 0."
PLACE = ["group", "depth", "seed", "stage", "tensor", "layer_index", "layer"]


def histograms(aggregate: "Aggregate", layout: Layout) -> pd.DataFrame:
    """Bins with what they belong to.

    Returns:
        Columns: group (position in layout.groups), depth, seed, stage (`start` | `end` of training), tensor,
        layer_index, layer, end (`first` | `last` layer), low, high, count, share (of the tensor's entries).
    """
    found, trials = aggregate.histograms, aggregate.trials
    if found.empty or trials.empty:
        return pd.DataFrame(columns=[*PLACE, "end", "low", "high", "count", "share"])
    table = trials.set_index("trial_id")
    rows = found.assign(
        group=found["trial_id"].map(positions(aggregate, layout)),
        depth=found["trial_id"].map(table["depth"]),
        seed=found["trial_id"].map(table["seed"]),
        stage=np.where(found["epoch"] == 0, "start", "end"),
        **{name: found[name].astype(str) for name in ("layer", "tensor")},
    ).dropna(subset=["group", "depth"])
    rows = rows.astype({"group": int, "depth": int, "seed": int})
    rows["share"] = rows["count"] / rows.groupby(PLACE)["count"].transform("sum")
    of_tensor = rows.groupby(["group", "depth", "seed", "stage", "tensor"])["layer_index"]
    rows["end"] = np.where(rows["layer_index"] == of_tensor.transform("min"), *ENDS)
    columns = [*PLACE, "end", "low", "high", "count", "share"]
    # A layer has two bins that begin at 0 where it has exact zeros: the one without width comes first.
    return rows[columns].sort_values([*PLACE, "low", "high"], ignore_index=True)


def by_value(layout: Layout, found: pd.DataFrame) -> list[Chart]:
    """A chart of the activations and one of the weights, at the largest depth that the families share."""
    charts = (_chart(layout, found, tensor) for tensor in TENSORS)
    return [chart for chart in charts if chart is not None]


def _chart(layout: Layout, found: pd.DataFrame, tensor: str) -> Chart | None:
    stage, when = stage_of(found)
    rows = found[(found["tensor"] == tensor) & (found["stage"] == stage)]
    if rows.empty:
        return None
    what = TENSORS[tensor]
    share = log_axis("", [*rows["share"], 1.0])
    facets = layout.facets(max(1, MAX_PANELS // (len(ENDS) * len(layout.families))))
    panels, texts, told = [], [], []
    drawn: list[pd.DataFrame] = []
    for facet in facets:
        deepest = at_shared_depth(layout, facet, rows)
        drawn += deepest.values()
        shown = {g: _one_seed(part) for g, part in deepest.items()}
        for end in ENDS:
            for group, part in shown.items():
                mine = part[part["end"] == end]
                if mine.empty:
                    continue
                place = mine.iloc[0]
                depth = layout.at(place["depth"])
                title = f"{layout.name(group)} · {whole(depth)} · {end} layer"
                x = linear_axis(
                    f"{what}, layer {place['layer_index']} ({place['layer']})", [*mine["low"], *mine["high"]]
                )
                y = replace(share, label=f"share, {end} layer (logarithmic)")
                traces = _traces(layout, group, mine, y.low)
                if (group, int(place["depth"])) in layout.marked:
                    traces += tuple(ring_at_end(traces[-1], f"{layout.name(group)}, {depth}"))
                panels.append(Panel(title, x, y, traces))
                texts.append(_row(layout, group, mine))
                told.append(f"{texts[-1][0]} at {depth}, {end} layer: {texts[-1][4]} to {texts[-1][5]}")
    if not panels:
        return None
    data = pd.concat(drawn).drop_duplicates(ignore_index=True)
    names = pd.DataFrame([factor_columns(g) for g in layout.groups]).iloc[data.pop("group")]
    return Chart(
        name=f"{what}-by-value",
        title=f"Distribution of {what} at the first and the last layer" + layout.of_paper("Figs. 5 to 10"),
        caption=f"Share of the entries in each of at most 64 equal parts of their range, {when}, of one network each "
        f"(the first seed; the data file has all), at the largest depth that they share; each panel has its own "
        "range." + (_ZEROS if (data["high"] == data["low"]).any() else ""),
        alt=f"Smallest and largest {what}. " + "; ".join(told) + ".",
        panels=tuple(panels),
        legend=(
            *(Key(f, layout.styles[f], "line") for f in dict.fromkeys(family(g) for t in facets for g in t.groups)),
            *keys([t for p in panels for t in p.traces]),
        ),
        data=pd.concat([names.reset_index(drop=True), data], axis=1),
        tables=(
            Table(
                f"Where the {what} of the drawn networks lie.",
                ("Cells", "Depth", "Seed", "Layer", "Smallest", "Largest", "Exactly 0", "In the fullest bin"),
                tuple(texts),
                frozenset({1, 2, 4, 5, 6, 7}),
                folded="Distributions in numbers",
            ),
        ),
        left_out=layout.left_out(len(facets), layout.facet_count),
    )


def _one_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """One network, as in the paper: the mean of several networks' histograms is no network's."""
    return rows[rows["seed"] == rows["seed"].min()]


def _traces(layout: Layout, group: "Group", rows: pd.DataFrame, floor: float) -> tuple[Trace, ...]:
    """The outline of the bins, filled; a line for the exact zeros; and points that a pointer finds."""
    name, style = family(group), layout.style(group)
    wide = rows[rows["high"] > rows["low"]]
    points = rows[rows["high"] == rows["low"]]
    traces = []
    if len(wide):
        x, y = _outline(wide, floor)
        traces.append(Trace(name, style, x, y, low=np.full_like(y, floor), high=y))
    for value, part in zip(points["low"].to_numpy(float), points["share"].to_numpy(float), strict=True):
        traces.append(Trace(name, style, np.array([value, value]), np.array([floor, part])))
    hover = tuple(
        f"{number(a)} to {number(b)}: {_percent(s)}" if b > a else f"exactly {number(a)}: {_percent(s)}"
        for a, b, s in zip(rows["low"], rows["high"], rows["share"], strict=True)
    )
    middle = ((rows["low"] + rows["high"]) / 2).to_numpy(float)
    traces.append(Trace(name, style, middle, rows["share"].to_numpy(float), line=False, hover=hover))
    return tuple(traces)


def _outline(rows: pd.DataFrame, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the bins' outline, which goes down to the axis where bins that hold nothing were left out."""
    x: list[float] = []
    y: list[float] = []
    for low, high, share in rows[["low", "high", "share"]].itertuples(index=False, name=None):
        if not x or low > x[-1] + (high - low) / 2:
            x += [*x[-1:], low]
            y += [floor] * (2 if y else 1)
        x += [low, high]
        y += [share, share]
    return np.array([*x, x[-1]]), np.array([*y, floor])


def _row(layout: Layout, group: "Group", rows: pd.DataFrame) -> tuple[str, ...]:
    place = rows.iloc[0]
    zero = rows.loc[(rows["low"] == 0) & (rows["high"] == 0), "share"].sum()
    return (
        layout.name(group),
        str(place["depth"]),
        str(place["seed"]),
        f"{place['layer_index']} ({place['layer']})",
        number(float(rows["low"].min())),
        number(float(rows["high"].max())),
        _percent(float(zero)),
        _percent(float(rows["share"].max())),
    )


def _percent(share: float) -> str:
    return f"{number(100 * share)} %"
