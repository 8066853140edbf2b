"""Singularity against generalization: does a larger condition number go with a larger gap?

The scatter of the runs, and Kendall's tau over all of them, within depth and within family, where what only grows with
depth or differs between families cannot make it (granulated after Jiang et al. 2020).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skipray.association import Association, granulated_tau
from skipray.metrics import describe
from skipray.palette import depth_styles
from skipray.report.axes import linear_axis
from skipray.report.chart import Chart, Key, Panel, Table, Trace
from skipray.report.groups import Layout, factor_columns, family, positions
from skipray.report.marking import keys, ring
from skipray.report.numbers import number

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate

SINGULARITY = "hidden.log10_condition.median"
GENERALIZATION = ("gap.accuracy", "test.accuracy")
MAX_POINTS = 1200
"""With more runs, a point is the mean of a cell's seeds."""


@dataclass(frozen=True)
class Tau:
    """A rank correlation for a table."""

    against: str
    over: str
    found: Association | None
    """None where there are too few runs or one of the two does not vary."""
    runs: int


def association(aggregate: "Aggregate", layout: Layout) -> Chart | None:
    """The scatter, and Kendall's tau overall, within depth and within family."""
    trials = aggregate.trials
    if trials.empty or SINGULARITY not in trials:
        return None
    measures = [m for m in GENERALIZATION if m in trials]
    place = positions(aggregate, layout)
    runs = pd.DataFrame(
        {
            "group": trials["trial_id"].map(place),
            "depth": trials["depth"].astype(int),
            "seed": trials["seed"].astype(int),
            "x": trials[SINGULARITY].astype(float),
            **{m: trials[m].astype(float) for m in measures},
        }
    )
    # The gap of an untrained network is absent; its test accuracy says nothing about generalization either.
    runs = runs[(trials["outcome"] == "trained").to_numpy() & np.isfinite(runs["x"]) & runs["group"].notna()]
    measures = [m for m in measures if np.isfinite(runs[m]).any()]
    if runs.empty or not measures:
        return None
    runs = runs.assign(group=runs["group"].astype(int))
    runs["family"] = [family(layout.groups[g]) for g in runs["group"]]
    taus = [tau for m in measures for tau in _taus(runs[np.isfinite(runs[m])], m)]
    return _scatter(runs, measures, layout, _table(taus))


def _taus(runs: pd.DataFrame, measure: str) -> list[Tau]:
    found = []
    for key, words in ((None, "all trained runs"), ("depth", "pairs of one depth"), ("family", "pairs of one family")):
        strata = None if key is None else runs[key].to_numpy()
        tau = granulated_tau(runs["x"], runs[measure], strata=strata, seed=runs["seed"].to_numpy())
        found.append(Tau(describe(measure).axis, words, tau, len(runs)))
    return found


def _table(taus: list[Tau]) -> tuple[Table, ...]:
    if not any(t.found for t in taus):
        return ()
    rows = []
    for t in taus:
        tau, interval = "–", "too few runs that differ"
        if t.found is not None:
            tau = f"{t.found.tau:+.2f}".replace("-", "−")
            interval = f"{number(t.found.low, 2)} to {number(t.found.high, 2)}"
        rows.append((t.against, t.over, tau, interval, str(t.runs)))
    caption = (
        "Kendall's tau of log₁₀ κ (median layer) with each quantity: over all trained runs, and over pairs that share "
        "their depth or their family, so that neither can be the common cause. +1: the two rise together; 0: no "
        "relation; −1: one falls as the other rises."
    )
    columns = ("Quantity", "Over", "τ", "95\u00a0% interval", "Runs")
    return (Table(caption, columns, tuple(rows), frozenset({2, 3, 4})),)


def _scatter(runs: pd.DataFrame, measures: list[str], layout: Layout, tables: tuple[Table, ...]) -> Chart:
    drawn, what = runs, "A point is a run that trained"
    if len(runs) > MAX_POINTS:
        drawn = runs.groupby(["group", "family", "depth"], as_index=False)[["x", *measures]].mean()
        what = "A point is the mean of a cell's runs that trained"
    depths = depth_styles([int(d) for d in runs["depth"].unique()])
    families = [f for f in layout.families if f in set(runs["family"])]
    panels = []
    for measure in measures:
        part = drawn[np.isfinite(drawn[measure])]
        traces = []
        for (label, depth), points in part.groupby(["family", "depth"], sort=True):
            style = depths[int(str(depth))]
            seeds = points["seed"] if "seed" in points else [None] * len(points)
            hover = tuple(
                f"{layout.name(layout.groups[g])}, {layout.at(int(str(depth)))}{'' if s is None else f', seed {s}'}: "
                f"log₁₀ κ {number(x)}, {number(y)}"
                for g, s, x, y in zip(points["group"], seeds, points["x"], points[measure], strict=True)
            )
            traces.append(
                Trace(
                    str(label),
                    type(style)(style.colour, layout.styles[str(label)].marker),
                    points["x"].to_numpy(),
                    points[measure].to_numpy(),
                    line=False,
                    marks="all",
                    hover=hover,
                    keys=(str(label), layout.at(int(str(depth)))),
                )
            )
        marked = [(layout.groups[g], d) in layout.marked for g, d in zip(part["group"], part["depth"], strict=True)]
        if any(marked):
            traces.append(ring(part["x"][marked].tolist(), part[measure][marked].tolist(), "a run of a marked cell"))
        label = describe(measure).axis
        panels.append(
            Panel("", linear_axis("log₁₀ κ, median layer", part["x"]), linear_axis(label, part[measure]), tuple(traces))
        )
    names = (
        pd.DataFrame([factor_columns(g) for g in layout.groups]).iloc[runs["group"].to_numpy()].reset_index(drop=True)
    )
    rest = runs.drop(columns=["group", "family"]).rename(columns={"x": SINGULARITY}).reset_index(drop=True)
    return Chart(
        name="singularity-generalization",
        title="Singularity against generalization",
        caption=f"{what}: shape is the family, colour the depth. Condition number of the median layer's hidden "
        "representation after training, raw.",
        alt=f"Scatter of {len(drawn)} points, condition number against "
        + " and ".join(describe(m).axis for m in measures)
        + ".",
        panels=tuple(panels),
        legend=(
            *(Key(f, type(layout.styles[f])("ink", layout.styles[f].marker), "marks") for f in families),
            *(Key(layout.at(d), type(s)(s.colour, "circle"), "marks") for d, s in depths.items()),
            *keys([t for p in panels for t in p.traces]),
        ),
        tables=tables,
        data=pd.concat([names, rest], axis=1),
    )
