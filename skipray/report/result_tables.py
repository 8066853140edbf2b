"""What was measured and what it cost, by family and depth: the first tables of a report."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skipray.analysis.score import judged_by
from skipray.metrics import describe
from skipray.planning.plan import sizes_if_known
from skipray.report.chart import Table
from skipray.report.groups import Layout, cells_of, positions
from skipray.report.numbers import ABSENT, number
from skipray.report.preliminary import preliminary
from skipray.spec import TrialSpec

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate

MOST_GROUPS = 24
"""Groups that a table on the page names; the data files have all."""
SECONDS = "time.train_seconds"
DIVERGED = "diverged"
"""In place of a mean: every seed's loss became no number."""
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def accuracy_table(aggregate: "Aggregate", layout: Layout) -> Table | None:
    """Mean accuracy (of values: loss) of the seeds, with its standard deviation, by group and depth; None where nothing
    was trained."""
    keys = judged_by(aggregate.trials)
    what = describe(keys[0]).metric.axis.capitalize()
    trials = aggregate.trials
    # The last scores of a network that diverged are those of the network before.
    ended = trials if trials.empty else trials[trials["outcome"] != "diverged"]
    found, lost = _by_cell(ended, aggregate, layout, keys), _diverged(aggregate, layout)
    asked = {(row["group"], int(row["depth"])): int(row["seeds"]) for row in aggregate.coverage.to_dict("records")}
    rows = []
    for place, group in enumerate(layout.groups[:MOST_GROUPS]):
        for key in keys:
            cells = {
                d: DIVERGED
                if (place, d) in lost
                else _mean_and_spread(found.get((place, d, key)), asked.get((group, d)))
                for d in layout.depths
            }
            if any(text != ABSENT for text in cells.values()):
                rows.append((layout.name(group), describe(key).axis, *cells.values()))
    return _table(
        f"{preliminary(aggregate)}{what} by {layout.depth_words}: mean of the seeds ± standard deviation between them.",
        what,
        rows,
        layout,
    )


def cost_table(aggregate: "Aggregate", layout: Layout) -> Table | None:
    """Parameters, FLOPs of one sample forward, and seconds of training, by group and depth."""
    cells = cells_of(aggregate.sweep, layout)
    seconds = _by_cell(aggregate.trials, aggregate, layout, (SECONDS,))
    rows = []
    for place, group in enumerate(layout.groups[:MOST_GROUPS]):
        sizes = {d: _sizes(aggregate, cells[group, d]) for d in layout.depths if (group, d) in cells}
        lines = {
            "parameters": {d: _counted(s["parameters"]) for d, s in sizes.items() if "parameters" in s},
            "FLOPs of a sample, forward": {d: _counted(s["flops"]) for d, s in sizes.items() if "flops" in s},
            "seconds of training": {d: number(_mean(seconds.get((place, d, SECONDS))), 2) for d in layout.depths},
        }
        for what, texts in lines.items():
            shown = [texts.get(d, ABSENT) for d in layout.depths]
            if any(text != ABSENT for text in shown):
                rows.append((layout.name(group), what, *shown))
    return _table(
        f"{preliminary(aggregate)}What a trial costs, by {layout.depth_words}; seconds are the mean of the seeds.",
        "Cost",
        rows,
        layout,
    )


def _sizes(aggregate: "Aggregate", trial: TrialSpec) -> Mapping[str, int]:
    """As the store has them, whose code need not be here; else as its family tells them, if it can."""
    stored = aggregate.sweep.sizes.get(trial.trial_id)
    if stored:
        return stored
    told = sizes_if_known(trial)
    return asdict(told) if told is not None else {}


def _table(caption: str, what: str, rows: list[tuple[str, ...]], layout: Layout) -> Table | None:
    if not rows:
        return None
    more = len(layout.groups) - MOST_GROUPS
    caption += f" {more} more combinations of factors are in the data files." if more > 0 else ""
    columns = ("Cells", what, *(layout.at(d) if i == 0 else str(d) for i, d in enumerate(layout.depths)))
    return Table(caption, columns, tuple(rows), frozenset(range(2, len(columns))))


def _by_cell(
    trials: pd.DataFrame, aggregate: "Aggregate", layout: Layout, keys: tuple[str, ...]
) -> "dict[tuple[int, int, str], np.ndarray[Any, Any]]":
    """(position of the group, depth, key) -> the finite values of its trials."""
    if trials.empty:
        return {}
    place = trials["trial_id"].map(positions(aggregate, layout))
    out = {}
    for key in (k for k in keys if k in trials):
        rows = pd.DataFrame({"group": place, "depth": trials["depth"], "value": trials[key].astype(float)})
        for (group, depth), part in rows.dropna().astype({"group": int}).groupby(["group", "depth"]):
            out[int(str(group)), int(str(depth)), key] = part["value"].to_numpy(float)
    return out


def _diverged(aggregate: "Aggregate", layout: Layout) -> set[tuple[int, int]]:
    """Position of the group and depth of each cell all of whose finished trials diverged."""
    trials = aggregate.trials
    if trials.empty:
        return set()
    rows = trials.assign(place=trials["trial_id"].map(positions(aggregate, layout))).dropna(subset="place")
    every = (rows["outcome"] == "diverged").groupby([rows["place"], rows["depth"]]).all()
    return {(int(place), int(depth)) for place, depth in every[every].index}


def _mean(values: "np.ndarray[Any, Any] | None") -> float | None:
    return None if values is None or not len(values) else float(np.mean(values))


def _mean_and_spread(values: "np.ndarray[Any, Any] | None", asked: int | None) -> str:
    """`0.981 ± 0.003`, with the seeds that it is of where these are not all."""
    if values is None or not len(values):
        return ABSENT
    mean = f"{np.mean(values):.3f}"
    some = f" ({len(values)} of {asked})" if asked is not None and len(values) < asked else ""
    return (mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.3f}") + some


def _counted(count: float) -> str:
    """`86.2 k`"""
    for size, letter in _PREFIXES:
        if count >= size:
            return f"{number(count / size)}\u00a0{letter}"
    return number(count)


MAX_RUNS = 400


def runs_table(aggregate: "Aggregate", layout: Layout) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """Cells, depth, and of each seed its run's page; empty where there are too many to list."""
    trials = aggregate.trials
    if trials.empty or len(trials) > MAX_RUNS:
        return []
    place = positions(aggregate, layout)
    rows: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for trial_id, depth, seed in trials[["trial_id", "depth", "seed"]].itertuples(index=False, name=None):
        if trial_id in place and trial_id in aggregate.run_pages:
            rows.setdefault((place[trial_id], int(depth)), []).append((str(seed), aggregate.run_pages[trial_id]))
    return [(layout.name(layout.groups[group]), depth, pages) for (group, depth), pages in sorted(rows.items())]
