"""Quantities by layer: the paper's Figs. 11 to 13, and the spread of what its Figs. 5 to 10 show at two layers."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skipray.metrics import headline_rows, layer_metric
from skipray.palette import Dash, Style, depth_styles
from skipray.report.axes import Axis, linear_axis, log_axis
from skipray.report.chart import Chart, Key, Level, Panel, Table, Trace, level_keys
from skipray.report.groups import MAX_FACETS, Facet, Layout, factor_columns, family, positions, whole
from skipray.report.layer_axes import axis_of_layers, layer_axis, placed, profile_trace
from skipray.report.marking import keys, ring_at_end
from skipray.report.numbers import number
from skipray.theory import marchenko_pastur_log10_condition

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.spec import Group

STATISTICS = {
    "hidden": ("log10_condition", "range", "rms", "participation_ratio", "mean_cosine"),
    "weight": ("log10_condition", "range", "rms"),
    "output_gradient": ("gradient_norm",),
}
DASHES: dict[str, Dash] = {"range": "solid", "rms": "dotted"}
SPREADS = {"range": "range", "rms": "root mean square"}
KEYS = ["tensor", "statistic", "stage", "depth", "layer_index"]


def profiles(aggregate: "Aggregate", layout: Layout) -> pd.DataFrame:
    """Median over the seeds of each statistic by layer.

    Returns:
        Columns: group (position in layout.groups), tensor, statistic, stage (`start` | `end` of training), depth,
        layer_index, layer, value, censored, seeds.
    """
    layers, trials = aggregate.layers, aggregate.trials
    columns = ["group", *KEYS, "layer", "value", "censored", "seeds"]
    if layers.empty or trials.empty:
        return pd.DataFrame(columns=columns)
    statistics = {layer_metric(s).key for names in STATISTICS.values() for s in names}
    wanted = layers["statistic"].isin(statistics)
    wanted &= layers["tensor"].isin(STATISTICS)
    rows = layers[wanted & ~layers["centred"].astype(bool)]
    rows = rows[np.isfinite(rows["value"].to_numpy(float))]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    rows = rows[headline_rows(rows)]
    last = rows.groupby("trial_id", observed=True)["epoch"].transform("max").to_numpy()
    stage = np.where(rows["epoch"].to_numpy() == 0, "start", "end")
    rows = rows.assign(stage=stage)[(stage == "start") | (rows["epoch"].to_numpy() == last)]
    rows = _weights_one_by_one(rows)
    place = positions(aggregate, layout)
    rows = rows.assign(
        group=rows["trial_id"].map(place), depth=rows["trial_id"].map(trials.set_index("trial_id")["depth"])
    ).dropna(subset=["group", "depth"])
    grouped = rows.groupby(["group", *KEYS], sort=True, observed=True)
    found = grouped.agg(
        layer=("layer", "first"),
        value=("value", "median"),
        censored=("censored", "median"),
        seeds=("trial_id", "nunique"),
    ).reset_index()
    return found.assign(
        group=found["group"].astype(int),
        depth=found["depth"].astype(int),
        # Half or more of the seeds at the bound: the median is a bound as well.
        censored=np.sign(found["censored"]).astype(int),
    )


def _weights_one_by_one(rows: pd.DataFrame) -> pd.DataFrame:
    """Weight layers by their own places: those of one block share its index, and are not each other's seeds."""
    is_weight = (rows["tensor"] == "weight").to_numpy()
    weights = rows[is_weight].sort_values("layer_index", kind="stable")
    place = weights.groupby(["trial_id", "statistic", "stage"]).cumcount()
    return pd.concat([rows[~is_weight], weights.assign(layer_index=place)])


def null_level(aggregate: "Aggregate") -> tuple[Level, ...]:
    """kappa that independent Gaussian features have by themselves, of as many samples and features as were probed."""
    shapes = {(c.model.kind, c.model.width, c.probe.samples) for c in aggregate.sweep.cells}
    kind, width, samples = next(iter(shapes)) if len(shapes) == 1 else ("", 0, 0)
    if kind != "mlp" or width == samples:
        return ()
    null = marchenko_pastur_log10_condition(width, samples)
    return (Level(null, f"random features {null:.2f}"),)


def condition_profiles(layout: Layout, found: pd.DataFrame, null: tuple[Level, ...]) -> Chart | None:
    """Condition number by layer at the largest depth that the families share: the paper's Figs. 11 to 13."""
    ends = ("after training", "end"), ("at initialisation", "start")
    parts = [
        *((f"hidden, {when}", "log₁₀ κ of hidden", _rows(found, "hidden", "log10_condition", s)) for when, s in ends),
        *(
            (f"weights, {when}", "log₁₀ κ of weights", _rows(found, "weight", "log10_condition", s))
            for when, s in ends[:1]
        ),
    ]
    panels = []
    facets = layout.facets(3)
    for facet in facets:
        for title, label, rows in parts:
            part = placed(at_shared_depth(layout, facet, rows))
            if part:
                traces: list[Trace] = []
                for g, mine in part.items():
                    traces.append(profile_trace(family(g), layout.style(g), mine))
                    traces += _ring(layout, g, mine, traces[-1])
                levels = null if title.startswith("hidden") else ()
                panels.append(_panel(layout, facet, title, label, part, tuple(traces), linear_axis, levels))
    rows = pd.concat([rows for *_, rows in parts])
    if not panels:
        return None
    return Chart(
        name="condition-by-layer",
        title="Condition number by layer" + layout.of_paper("Figs. 11 to 13"),
        caption="Hidden representations and weights, raw, at the largest depth that the families share; median over "
        "the seeds. Hollow arrowheads: at least half of the seeds are at the precision floor, the truth lies above."
        + (" Dotted: what independent Gaussian features have by themselves (Marchenko-Pastur)." if null else ""),
        alt="Condition number by layer. " + _first_last(layout, parts[0][2], "log10 of it after training"),
        panels=tuple(panels),
        legend=(*_families(layout, facets), *level_keys(panels), *keys([t for p in panels for t in p.traces])),
        data=_named(layout, rows),
        left_out=layout.left_out(len(facets), layout.facet_count),
    )


def every_depth(layout: Layout, found: pd.DataFrame) -> Chart | None:
    """Condition number of hidden representations by layer at every depth, a panel per group."""
    # At initialisation the layers of two depths have the same weights, and so the same values.
    rows = _rows(found, "hidden", "log10_condition", "end")
    if rows["depth"].nunique() < 2:
        return None
    styles = depth_styles([int(d) for d in rows["depth"].unique()])
    present = [i for i in range(len(layout.groups)) if (rows["group"] == i).any()]
    shown = present[:MAX_FACETS]
    drawn = rows[rows["group"].isin(shown)]
    # One scale for all of them, so that panels compare at a glance.
    x, y = layer_axis(drawn), linear_axis("log₁₀ κ of hidden", drawn["value"])
    panels = []
    for i in shown:
        parts = drawn[drawn["group"] == i].groupby("depth", sort=True)
        traces: list[Trace] = []
        for depth, part in parts:
            traces.append(
                replace(profile_trace(layout.at(int(str(depth))), styles[int(str(depth))], part), marks="few")
            )
            traces += _ring(layout, layout.groups[i], part, traces[-1])
        panels.append(Panel(layout.name(layout.groups[i]), x, y, tuple(traces)))
    return Chart(
        name="condition-by-layer-and-depth",
        title="Condition number by layer at every depth",
        caption=f"Hidden representations after training, raw; median over the seeds, a line for each "
        f"{layout.depth_words}.",
        alt="Condition number of hidden representations by layer, a line per depth. "
        + _first_last(layout, rows, "log10 of it"),
        panels=tuple(panels),
        legend=(
            *(Key(layout.at(d), s, "both") for d, s in styles.items()),
            *keys([t for p in panels for t in p.traces]),
        ),
        data=_named(layout, rows),
        left_out=layout.left_out(len(shown), len(present)),
    )


def distributions(layout: Layout, found: pd.DataFrame) -> Chart | None:
    """Range and root mean square of activations and weights by layer, after training, and a table of the first and the
    last layer."""
    stage, when = stage_of(found)
    panels: list[Panel] = []
    facets = layout.facets(3)
    for facet in facets:
        for tensor, title in (("hidden", "activations"), ("weight", "weights")):
            traces: list[Trace] = []
            parts: dict[Group, pd.DataFrame] = {}
            for statistic, dash in DASHES.items():
                part = placed(at_shared_depth(layout, facet, _rows(found, tensor, statistic, stage)))
                for group, mine in part.items():
                    style = replace(layout.style(group), dash=dash)
                    trace = profile_trace(f"{family(group)}, {SPREADS[statistic]}", style, mine[mine["value"] > 0])
                    traces.append(replace(trace, keys=(family(group), SPREADS[statistic])))
                    traces += _ring(layout, group, mine, traces[-1])
                    parts[group] = pd.concat([parts.get(group, mine.iloc[:0]), mine])
            if traces:
                panels.append(_panel(layout, facet, title, "entries (logarithmic)", parts, tuple(traces), log_axis, ()))
    if not panels:
        return None
    rows = found[found["statistic"].isin(["range", "rms"]) & (found["stage"] == stage)]
    return Chart(
        name="spread-by-layer",
        title="Spread of activations and weights by layer",
        caption=f"Largest minus smallest entry (solid) and root mean square (dotted) {when}, at the largest "
        "depth that the families share; median over the seeds.",
        alt="Spread by layer. "
        + _first_last(layout, _rows(found, "hidden", "range", stage), "Range of the activations"),
        panels=tuple(panels),
        legend=(
            *_families(layout, facets),
            Key("range", Style("ink"), "line"),
            Key("root mean square", Style("ink", dash="dotted"), "line"),
            *keys([t for p in panels for t in p.traces]),
        ),
        data=_named(layout, rows),
        tables=_ends(layout, facets, found, stage),
        left_out=layout.left_out(len(facets), layout.facet_count),
    )


def _ends(layout: Layout, facets: tuple[Facet, ...], found: pd.DataFrame, stage: str) -> tuple[Table, ...]:
    """Range at the first and the last layer of the depth that the families share."""
    texts = []
    for facet in facets:
        for tensor, words in (("hidden", "activations"), ("weight", "weights")):
            for group, mine in at_shared_depth(layout, facet, _rows(found, tensor, "range", stage)).items():
                ends = mine.sort_values("layer_index")["value"]
                place = (layout.name(group), str(mine["depth"].iloc[0]), words)
                texts.append((*place, number(float(ends.iloc[0])), number(float(ends.iloc[-1]))))
    if not texts:
        return ()
    caption = "Range (largest minus smallest entry) at the first and the last layer, median over the seeds."
    columns = ("Cells", "Depth", "Of", "First layer", "Last layer")
    return (Table(caption, columns, tuple(texts), frozenset({1, 3, 4}), folded="First and last layer in numbers"),)


def stage_of(found: pd.DataFrame) -> tuple[str, str]:
    """The last stage that was measured: a sweep without training has its initialisation only."""
    trained = bool((found["stage"] == "end").any())
    return ("end", "after training") if trained else ("start", "at initialisation")


def _ring(layout: Layout, group: "Group", rows: pd.DataFrame, trace: Trace) -> list[Trace]:
    """A ring around the end of a line whose cell breaks the protocol."""
    depth = int(rows["depth"].iloc[0])
    return ring_at_end(trace, f"{layout.name(group)}, {layout.at(depth)}") if (group, depth) in layout.marked else []


def _rows(found: pd.DataFrame, tensor: str, statistic: str, stage: str) -> pd.DataFrame:
    return found[(found["tensor"] == tensor) & (found["statistic"] == statistic) & (found["stage"] == stage)]


def _families(layout: Layout, facets: tuple[Facet, ...]) -> tuple[Key, ...]:
    shown = dict.fromkeys(family(g) for f in facets for g in f.groups)
    return tuple(Key(f, layout.styles[f], "line") for f in shown)


def at_shared_depth(layout: Layout, facet: Facet, rows: pd.DataFrame) -> "dict[Group, pd.DataFrame]":
    """The rows of each of the facet's groups at the largest depth that they share; empty where there is none."""
    parts = {g: rows[rows["group"] == layout.groups.index(g)] for g in facet.groups}
    parts = {g: part for g, part in parts.items() if not part.empty}
    common = set.intersection(*(set(part["depth"]) for part in parts.values())) if parts else set()
    return {g: part[part["depth"] == max(common)] for g, part in parts.items()} if common else {}


def _panel(
    layout: Layout,
    facet: Facet,
    title: str,
    label: str,
    parts: "dict[Group, pd.DataFrame]",
    traces: tuple[Trace, ...],
    axis: Callable[..., Axis],
    levels: tuple[Level, ...],
) -> Panel:
    rows = pd.concat(list(parts.values()))
    words = " · ".join(t for t in (title, facet.title, whole(layout.at(rows["depth"].iloc[0]))) if t)
    values = [*rows["value"].to_numpy(float), *(level.y for level in levels)]
    return Panel(words, axis_of_layers(parts), axis(label, values), traces, levels)


def _named(layout: Layout, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with their factors by name instead of the group's position."""
    names = pd.DataFrame([factor_columns(g) for g in layout.groups])
    front = names.iloc[rows["group"].to_numpy(int)].reset_index(drop=True)
    return pd.concat([front, rows.drop(columns="group").reset_index(drop=True)], axis=1)


def _first_last(layout: Layout, rows: pd.DataFrame, what: str) -> str:
    parts: list[str] = []
    group: Group
    for i, group in enumerate(layout.groups[:8]):
        mine = rows[rows["group"] == i]
        if mine.empty:
            continue
        deep = mine[mine["depth"] == mine["depth"].max()].sort_values("layer_index")
        ends = f"{number(deep['value'].iloc[0])} at the first and {number(deep['value'].iloc[-1])} at the last layer"
        parts.append(f"{layout.name(group)} at {layout.at(deep['depth'].iloc[0])}: {ends}")
    return f"{what}: " + "; ".join(parts) + "."
