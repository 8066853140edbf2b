"""A report's main figure: accuracy by depth, or loss where values are predicted, with limits and what was published."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from skipray.analysis.score import ACCURACIES, LOSSES, score_of
from skipray.metrics import describe
from skipray.records import CHANCE_LOSS
from skipray.report.chart import Chart, Level, Table
from skipray.report.depth_figures import DepthFigure, by_depth
from skipray.report.groups import Facet, Layout, family
from skipray.report.numbers import number
from skipray.report.predicted import predicted_table
from skipray.report.published import Published, published_for
from skipray.spec.display_names import display_name

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.analysis.predicted_limit import PredictedLimit
    from skipray.spec import Group

MARKS = (
    "Small marks are single seeds; lines are the fitted depth trends with simultaneous 95 % bands (where no "
    "curve fits, thin lines join the means). An upright dashed line is a family's trainability limit where it "
    "lies within the depths tried"
)
"""What a main figure's marks are; its caption goes on."""
NEAR = 0.01
"""Chances that lie no farther apart, such as those of two splits of one data set, are one line."""


def accuracy_by_depth(
    aggregate: "Aggregate",
    layout: Layout,
    predicted: "Mapping[Group, PredictedLimit] | None" = None,
) -> Chart | None:
    """The main figure: train and test accuracy, the limits, measured and predicted, chance, and what was published on
    the data set."""
    cells = aggregate.sweep.group_cells
    chances = score_of(aggregate.sweep, aggregate.trials).chance
    groups = [aggregate.groups.get(trial_id) for trial_id in aggregate.trials.get("trial_id", ())]

    def levels(facet: Facet) -> tuple[Level, ...]:
        """Guessing, on the data of a panel, as limits are counted from it; of a data set that is not at hand, and
        without a trial that has logged it, it is not known."""
        here = [chance for chance, group in zip(chances, groups, strict=True) if group in facet.groups]
        told = sorted({float(f"{chance:.3g}") for chance in here if chance == chance})
        if len(told) > 1 and told[-1] - told[0] <= NEAR:
            return (Level(sum(told) / len(told), f"chance {number(told[0])} to {number(told[-1])}"),)
        return tuple(Level(y, f"chance {number(y)}") for y in told)

    known = published_for(cells.values())
    figure = DepthFigure(
        file="accuracy-by-depth",
        title="Accuracy by depth",
        metrics={key: describe(key).axis for key in ACCURACIES},
        caption=f"{MARKS}, a dotted one the limit that theory predicts for it at initialisation.",
        low=0.0,
        high=1.0,
        levels=levels,
        limits=True,
        predicted=predicted or {},
        published=known,
    )
    chart = by_depth(aggregate, layout, figure)
    if chart is None:
        return None
    chart = replace(chart, caption=chart.caption + _diverged_words(aggregate))
    # The report's first table has the means.
    tables = (
        predicted_table(aggregate, layout, predicted or {}),
        _published_table(aggregate, known) if known else None,
    )
    return replace(chart, summary=pd.DataFrame(), tables=tuple(t for t in tables if t is not None))


def loss_by_depth(aggregate: "Aggregate", layout: Layout) -> Chart | None:
    """The main figure of networks that predict values: train and test loss, the limits, what the mean alone gets."""
    alone = pd.to_numeric(aggregate.trials.get(CHANCE_LOSS, pd.Series(dtype=float)), errors="coerce").dropna()
    figure = DepthFigure(
        file="loss-by-depth",
        title="Loss by depth",
        metrics={key: describe(key).axis for key in LOSSES},
        caption=f"{MARKS}.",
        low=0.0,
        levels=lambda facet: (Level(float(alone.mean()), "the mean alone"),) if alone.nunique() == 1 else (),
        limits=True,
    )
    chart = by_depth(aggregate, layout, figure)
    return chart and replace(chart, caption=chart.caption + _diverged_words(aggregate))


def _diverged_words(aggregate: "Aggregate") -> str:
    """That networks which diverged, and so have no last score, are not drawn, and how many of each family."""
    trials = aggregate.trials
    if "outcome" not in trials or not (trials["outcome"] == "diverged").any():
        return ""
    families = trials["trial_id"].map(aggregate.groups).map(family, na_action="ignore")
    lost = (trials["outcome"] == "diverged").groupby(families, sort=False).agg(["sum", "count"])
    named = [f"{row['sum']} of {row['count']} of {name}" for name, row in lost[lost["sum"] > 0].iterrows()]
    return f" Networks that diverged are not drawn: {', '.join(named)}."


def _published_table(aggregate: "Aggregate", known: tuple[Published, ...]) -> Table:
    rows = []
    trials = aggregate.trials
    on = "on {}" if len({one.dataset for one in known}) > 1 else ""
    for one in known:
        mine = trials[(trials["architecture"] == one.architecture) & (trials["depth"] == one.depth)]
        if "dataset.name" in mine:
            mine = mine[mine["dataset.name"] == one.dataset]
        ours = ["not run" if mine.empty or m not in mine else number(mine[m].astype(float).mean()) for m in ACCURACIES]
        below = "below " if one.bound else ""
        named = [display_name(one.architecture), one.variant, on.format(one.dataset)]
        rows.append((
            " ".join(filter(None, named)), str(one.depth),
            number(one.train_accuracy), ours[0],
            below + number(one.test_accuracy), ours[1], one.source,
        ))  # fmt: skip
    return Table(
        "Published results on this data set beside the mean of this sweep's runs at the same depth. Recipes, seeds and "
        "parameter counts may differ.",
        ("Family", "Depth", "Train, published", "here", "Test, published", "here", "Source"),
        tuple(rows),
        frozenset({1, 2, 3, 4, 5}),
        folded="Published results beside these",
    )
