"""Training loss and accuracy by epoch: the paper's Figs. 3 and 4."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skipray.analysis.followed_metrics import epoch_metrics, tracked_metrics
from skipray.palette import depth_styles
from skipray.report.axes import linear_axis, log_axis
from skipray.report.chart import Chart, Key, Panel, Trace
from skipray.report.groups import Layout, factor_columns, positions
from skipray.report.marking import keys, ring_at_end
from skipray.report.numbers import number

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate


def by_epoch(aggregate: "Aggregate", layout: Layout) -> Chart | None:
    """Median over the seeds by epoch, a line per depth; None when nothing was tracked."""
    rows = _medians(aggregate, layout)
    if rows.empty or rows["epoch"].nunique() < 2:
        return None
    depths = [int(d) for d in rows["depth"].unique()]
    styles, dropped = depth_styles(depths), ""
    shown = [i for i in range(len(layout.groups)) if (rows["group"] == i).any()]
    most = 6 if len(layout.styles) <= 6 else 9
    panels = []
    for metric in epoch_metrics(aggregate.sweep):
        one = tracked_metrics(aggregate.sweep)[metric]
        logarithmic = one.metric.scale == "log"
        label = f"{one.axis} (logarithmic)" if logarithmic else one.axis
        part = rows[rows["metric"] == metric]
        if logarithmic:
            part = part[part["value"] > 0]
        if part.empty:
            continue
        drawn = part[part["group"].isin(shown[:most])]
        if logarithmic:
            ceiling = _ceiling(drawn)
            if float(drawn["value"].max()) > ceiling:
                dropped = (
                    f" Losses above {number(ceiling)} leave the panel; the largest is {number(drawn['value'].max())}."
                )
            y = log_axis(label, drawn["value"].clip(upper=ceiling))
        else:
            y = linear_axis(label, drawn["value"], low=one.low, high=one.high)
        x = linear_axis("epoch", drawn["epoch"].astype(float), low=0.0, whole=True)
        for i in shown[:most]:
            traces = []
            for depth, line in drawn[drawn["group"] == i].groupby("depth", sort=True):
                hover = tuple(f"epoch {e}: {number(v)}" for e, v in zip(line["epoch"], line["value"], strict=True))
                x_values, y_values = line["epoch"].to_numpy(float), line["value"].to_numpy(float)
                trace = Trace(
                    layout.at(int(str(depth))), styles[int(str(depth))], x_values, y_values, marks="few", hover=hover
                )
                traces.append(trace)
                if (layout.groups[i], int(str(depth))) in layout.marked:
                    traces += ring_at_end(trace, f"{layout.name(layout.groups[i])}, {trace.name}")
            if traces:
                panels.append(Panel(layout.name(layout.groups[i]), x, y, tuple(traces)))
    named = pd.DataFrame([factor_columns(g) for g in layout.groups]).iloc[rows["group"].to_numpy(int)]
    data = pd.concat([named.reset_index(drop=True), rows.drop(columns="group").reset_index(drop=True)], axis=1)
    return Chart(
        name="training-by-epoch",
        title="Training by epoch" + layout.of_paper("Figs. 3 and 4"),
        caption=f"Median over the seeds on the training set, a line for each {layout.depth_words}. "
        "Epoch 0 is the network at initialisation; a line that ends "
        "early is of trials whose loss was no longer finite." + _judged_on(aggregate.trials) + dropped,
        alt="Training loss and accuracy by epoch. " + _ends(layout, rows),
        panels=tuple(panels),
        legend=(
            *(Key(layout.at(d), s, "both") for d, s in styles.items()),
            *keys([t for p in panels for t in p.traces]),
        ),
        data=data,
        left_out=layout.left_out(min(most, len(shown)), len(shown)),
    )


ABOVE_START = 100.0
"""How many times its value at initialisation a loss may be and still be drawn: networks that explode and recover would
press all others flat."""


def _ceiling(rows: pd.DataFrame) -> float:
    """The largest loss that is drawn."""
    first = rows.loc[rows["epoch"] == rows["epoch"].min(), "value"]
    return float(max(first.median() * ABOVE_START, rows["value"].median()))


def _medians(aggregate: "Aggregate", layout: Layout) -> pd.DataFrame:
    """Columns group (position in layout.groups), metric, depth, epoch, value, seeds."""
    columns = ["group", "metric", "depth", "epoch", "value", "seeds"]
    histories, trials = aggregate.histories, aggregate.trials
    if histories.empty or trials.empty:
        return pd.DataFrame(columns=columns)
    metrics = epoch_metrics(aggregate.sweep)
    rows = _like_with_like(histories[histories["metric"].isin(metrics)], trials, metrics)
    rows = rows[np.isfinite(rows["value"].to_numpy(float))]
    place = positions(aggregate, layout)
    rows = rows.assign(
        group=rows["trial_id"].map(place), depth=rows["trial_id"].map(trials.set_index("trial_id")["depth"])
    ).dropna(subset=["group", "depth"])
    if rows.empty:
        return pd.DataFrame(columns=columns)
    found = rows.groupby(["group", "metric", "depth", "epoch"], sort=True, observed=True).agg(
        value=("value", "median"), seeds=("trial_id", "nunique")
    )
    return found.reset_index().astype({"group": int, "depth": int, "epoch": int})[columns]


def _like_with_like(rows: pd.DataFrame, trials: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The rows with the last epoch on the samples that the epochs before it were judged on.

    Its own metrics are of all samples. Where those of the part were not logged, it is left out, unless nothing but the
    network at initialisation would be left.
    """
    if "recipe.epochs" not in trials:
        return rows
    by_id = trials.set_index("trial_id")
    last = (rows["epoch"] > 0) & (rows["epoch"] == rows["trial_id"].map(by_id["recipe.epochs"]).astype(float))
    rows = rows.astype({"value": float})
    for metric in metrics:
        chosen = last & (rows["metric"] == metric)
        column = f"part.{metric}"
        on_part = by_id[column].astype(float) if column in by_id else pd.Series(dtype=float)
        found = rows.loc[chosen, "trial_id"].map(on_part)
        rows.loc[chosen, "value"] = found.where(found.notna() | (rows.loc[chosen, "epoch"] > 1), rows["value"])
    return rows[rows["value"].notna()]


def _judged_on(trials: pd.DataFrame) -> str:
    """On how many samples the drawn values were judged, in a sentence."""
    if "recipe.epochs" not in trials:
        return ""
    known = trials["part.samples"].dropna() if "part.samples" in trials else pd.Series(dtype=float)
    if known.empty:
        return (
            " Judged on a fixed part of the training set. The last of several epochs is not drawn: of these runs it "
            "was judged on all samples only."
        )
    counts = f"{known.min():.0f}" if known.min() == known.max() else f"{known.min():.0f} to {known.max():.0f}"
    return f" Judged on {counts} samples of the training set, the same in every epoch and trial."


def _ends(layout: Layout, rows: pd.DataFrame) -> str:
    accuracy = rows[rows["metric"] == "train.accuracy"]
    parts = []
    for i, group in enumerate(layout.groups[:8]):
        mine = accuracy[accuracy["group"] == i]
        if mine.empty:
            continue
        deep = mine[mine["depth"] == mine["depth"].max()].sort_values("epoch")
        parts.append(
            f"{layout.name(group)} at {layout.at(deep['depth'].iloc[0])} ends at {number(deep['value'].iloc[-1])}"
        )
    return "Train accuracy: " + "; ".join(parts) + "." if parts else ""
