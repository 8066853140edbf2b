"""Quantities by layer: the paper's Figs. 11 to 13, and by range and rms what its Figs. 5 to 10 show as histograms."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skipray.report.chart import Chart, Key, Panel, Trace
from skipray.report.groups import Facet, Layout, family, group_names, name, positions
from skipray.report.palette import Style, depth_styles
from skipray.report.ticks import Axis, linear_axis, log_axis, number

if TYPE_CHECKING:
    from skipray.aggregation import Aggregate, Group

HEADLINE_UNFOLDINGS = ("matrix", "samples", "out", "")
"""Of a 4-D tensor: hidden representations by samples, weights by outputs, as in the runs' metrics."""

STATISTICS = {
    "hidden": ("log10_condition", "range", "rms"),
    "weight": ("log10_condition", "range", "rms"),
}
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
    wanted = layers["statistic"].isin({s for names in STATISTICS.values() for s in names})
    wanted &= layers["tensor"].isin(STATISTICS)
    rows = layers[wanted & ~layers["centred"].astype(bool)]
    rows = rows[np.isfinite(rows["value"].to_numpy(float))]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    epoch = rows["epoch"].to_numpy()
    # Batch statistics at initialisation, where the running ones are still the identity; running ones afterwards.
    headline = np.where(epoch == 0, "train", "eval")
    rows = rows[rows["phase"].to_numpy() == headline]
    rank = rows["unfolding"].map({u: i for i, u in enumerate(HEADLINE_UNFOLDINGS)})
    rows = rows[rank.notna().to_numpy()]
    last = rows.groupby("trial_id")["epoch"].transform("max").to_numpy()
    stage = np.where(rows["epoch"].to_numpy() == 0, "start", "end")
    rows = rows.assign(stage=stage)[(stage == "start") | (rows["epoch"].to_numpy() == last)]
    place = positions(trials, layout)
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


def condition_profiles(layout: Layout, found: pd.DataFrame) -> list[Chart]:
    """Condition number by layer: of hidden representations after and before training, and of weights after it."""
    charts = []
    for file, tensor, stage, title, what in (
        ("hidden-profile", "hidden", "end", "Hidden representations: condition number by layer (Fig. 13)", "after"),
        ("weight-profile", "weight", "end", "Weights: condition number by layer (Figs. 11 and 12)", "after"),
        ("hidden-profile-start", "hidden", "start", "Hidden representations at initialisation", "before"),
    ):
        rows = _rows(found, tensor, "log10_condition", stage)
        if rows.empty:
            continue
        caption = (
            f"Median over the seeds {what} training, raw (not centred). First panels: the families at the largest depth "
            "that they share; then each of them at every depth. Hollow arrowheads: at least half of the seeds are at the "
            "precision floor, so that the truth lies above."
        )
        charts.append(_chart(layout, rows, file, title, caption, "log₁₀ κ", linear=True))
    return charts


def distributions(layout: Layout, found: pd.DataFrame) -> Chart | None:
    """Range and root mean square of activations and weights by layer, after training."""
    panels: list[Panel] = []
    parts = [
        (tensor, statistic, title, _rows(found, tensor, statistic, "end"))
        for tensor, statistic, title in (
            ("hidden", "range", "activations: range"),
            ("hidden", "rms", "activations: rms"),
            ("weight", "range", "weights: range"),
            ("weight", "rms", "weights: rms"),
        )
    ]
    parts = [p for p in parts if not p[3].empty]
    if not parts:
        return None
    facets = layout.facets(2)
    for facet in facets:
        for _, statistic, title, rows in parts:
            panel = _shared_depth_panel(layout, facet, rows, title, statistic, log_axis)
            if panel is not None:
                panels.append(panel)
    data = pd.concat([rows for *_, rows in parts])
    shown = list(dict.fromkeys(family(g) for f in facets for g in f.groups))
    return Chart(
        name="distributions",
        title="Spread of activations and weights by layer (Figs. 5 to 10)",
        caption=(
            "Largest minus smallest entry, and root mean square, of each layer's hidden representation and weights after "
            "training; median over the seeds, logarithmic, at the largest depth that the families share."
        ),
        alt="Range and root mean square of activations and weights by layer. "
        + _first_last(layout, parts[0][3], parts[0][2]),
        panels=tuple(panels),
        legend=tuple(Key(f, layout.styles[f], "both") for f in shown),
        data=_named(layout, data),
        left_out=layout.left_out(len(facets), layout.facet_count),
    )


def _rows(found: pd.DataFrame, tensor: str, statistic: str, stage: str) -> pd.DataFrame:
    return found[(found["tensor"] == tensor) & (found["statistic"] == statistic) & (found["stage"] == stage)]


def _chart(
    layout: Layout, rows: pd.DataFrame, file: str, title: str, caption: str, label: str, *, linear: bool
) -> Chart:
    axis: Callable[..., Axis] = linear_axis if linear else log_axis
    facets = layout.facets(3)
    panels = []
    for facet in facets:
        shared = _shared_depth_panel(layout, facet, rows, "", label, axis)
        if shared is not None and len(shared.traces) > 1:
            panels.append(shared)
    depths = sorted(rows["depth"].unique())
    styles = depth_styles([int(d) for d in depths])
    groups = [g for f in facets for g in f.groups] if layout.facet_count > len(facets) else list(layout.groups)
    shown = [g for g in dict.fromkeys(groups) if (rows["group"] == layout.groups.index(g)).any()]
    values = rows[rows["group"].isin([layout.groups.index(g) for g in shown])]["value"]
    for group in shown[:9]:
        mine = rows[rows["group"] == layout.groups.index(group)]
        traces = [
            _trace(f"depth {depth}", styles[int(depth)], part) for depth, part in mine.groupby("depth", sort=True)
        ]
        # One scale for all of them, so that panels compare at a glance.
        panels.append(Panel(name(group), _layer_axis(mine), axis(label, values), tuple(traces)))
    families = list(dict.fromkeys(family(g) for g in shown))
    return Chart(
        name=file,
        title=title,
        caption=caption,
        alt=f"{title}. " + _first_last(layout, rows, "log10 condition number"),
        panels=tuple(panels),
        legend=(
            *(Key(f, layout.styles[f], "both") for f in families if len(families) > 1),
            *(Key(f"depth {d}", s, "line") for d, s in styles.items()),
        ),
        data=_named(layout, rows),
        left_out=layout.left_out(min(len(shown), 9), len(set(rows["group"]))),
    )


def _shared_depth_panel(
    layout: Layout, facet: Facet, rows: pd.DataFrame, title: str, label: str, axis: Callable[..., Axis]
) -> Panel | None:
    """The facet's groups at the largest depth that they share."""
    parts = {g: rows[rows["group"] == layout.groups.index(g)] for g in facet.groups}
    parts = {g: part for g, part in parts.items() if not part.empty}
    common = set.intersection(*(set(part["depth"]) for part in parts.values())) if parts else set()
    if not common:
        return None
    depth = max(common)
    chosen = {g: part[part["depth"] == depth] for g, part in parts.items()}
    values = np.concatenate([part["value"].to_numpy(float) for part in chosen.values()])
    return Panel(
        " · ".join(t for t in (facet.title, title, f"depth {depth}") if t),
        _layer_axis(pd.concat(list(chosen.values()))),
        axis(label, values),
        tuple(_trace(family(g), layout.style(g), part) for g, part in chosen.items()),
    )


def _layer_axis(rows: pd.DataFrame) -> Axis:
    return linear_axis("layer", rows["layer_index"].astype(float), low=0.0)


def _trace(title: str, style: Style, rows: pd.DataFrame) -> Trace:
    words = {0: "", 1: " or more", -1: " or less"}
    hover = tuple(
        f"layer {i}{f' ({layer})' if layer else ''}: {number(v)}{words[c]}"
        for i, layer, v, c in zip(rows["layer_index"], rows["layer"], rows["value"], rows["censored"], strict=True)
    )
    return Trace(
        title,
        style,
        rows["layer_index"].to_numpy(float),
        rows["value"].to_numpy(float),
        censored=rows["censored"].to_numpy(int),
        hover=hover,
    )


def _named(layout: Layout, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with their factors by name instead of the group's position."""
    names = pd.DataFrame([group_names(g) for g in layout.groups])
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
        parts.append(f"{name(group)} at depth {deep['depth'].iloc[0]}: {ends}")
    return f"{what}: " + "; ".join(parts) + "."
