"""Was every cell treated alike? The fairness audit of a tuned sweep, as a table with a row per cell.

What is checked: the same number of tuning trials in every cell, selection on validation alone, no choice on the edge of
a range. A cell where nothing ends better than chance, no point and no final of either setting, is `untrainable`: a
result, not a breach.
"""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from skipray.search.finals import default_finals_of, finals_of
from skipray.search.study import Study
from skipray.search.tuning import Choice, Point, best_point, edges_of
from skipray.spec import SweepSpec

STABLE_RATE = "tuning.log10_largest_stable_learning_rate"
DIVERGED_SHARE = "tuning.diverged_share"
UNTRAINED_SHARE = "tuning.untrained_share"
CELL_METRICS = (STABLE_RATE, DIVERGED_SHARE, UNTRAINED_SHARE)
"""Results of the tuning itself, one value per cell, with depth trends of their own."""


def fairness_table(study: Study, trials: pd.DataFrame) -> pd.DataFrame:
    """The audit, one row per cell, in the sweep's order. Partial at any time.

    Args:
        study: with the scores that are tracked.
        trials: finals of both settings, with the outcome that the sweep's `trained` gives each, and `recorded`, the
            one that each has recorded itself: trained where it ended better than chance.

    Returns:
        `cell`, a skipray.spec.Cell, and its `depth`; `points` and `tuning_trials` that ended, and `failed` trials among
        them; `selected_on`;
        `tuning.diverged_share`, `tuning.untrained_share` of the points; `tuning.log10_largest_stable_learning_rate`
        (the largest rate of a point that trained; NaN where the rate is not tuned) with `.censored` (1: the largest
        that was tried, -1: none trained); `chosen.<field>`; `chosen.validation_accuracy`; `edges` ("learning_rate
        high" or empty); `untrainable`; `default.` and `tuned.` `test_accuracy` (mean over the seeds, NaN where there is
        none) and `trained_share`, of the finals that fit; `breach`, why the cell is marked, or empty.
    """
    decision = study.decide()
    rows = []
    for i, cell in enumerate(study.cells):
        points = decision.choices[i].points if decision.complete else study.points(i, decision.rounds)
        edges = edges_of(study.tune, decision.rounds, points) if decision.complete else frozenset()
        choice = Choice(cell, points, best_point(points) if decision.complete else None, edges)
        named = {"cell": cell.cell, "depth": cell.cell.depth}
        ours = _finals(study.sweep, choice, trials)
        row = named | _row(study, choice) | _compared(ours)
        row["untrainable"] = decision.complete and choice.untrainable and not any(map(_trains, ours.values()))
        rows.append(row)
    table = pd.DataFrame(rows)
    if decision.complete:
        table["breach"] = _breaches(table)
    else:
        table["breach"] = ""
    return table


def _row(study: Study, choice: Choice) -> dict[str, object]:
    points = [p for p in choice.points if p.told]
    scores = [s for p in points for s in p.scores if s is not None]
    row: dict[str, object] = {
        "points": len(points),
        "tuning_trials": len(scores),
        "failed": sum(s.outcome == "failed" for s in scores),
        "selected_on": f"validation, {choice.cell.dataset.validation_fraction:.0%} of the training set",
        DIVERGED_SHARE: _share(points, "diverged"),
        UNTRAINED_SHARE: _share(points, "untrained"),
    }
    row |= _stable(points)
    setting = dict(choice.setting or ())
    row |= {f"chosen.{name}": setting.get(name, math.nan) for name in study.tune.space}
    accuracy = choice.points[choice.best].accuracy if choice.best is not None else None
    row["chosen.validation_accuracy"] = math.nan if accuracy is None else accuracy
    row["edges"] = ", ".join(f"{name} {side}" for name, side in sorted(choice.edges))
    return row


def _share(points: Sequence[Point], outcome: str) -> float:
    return sum(p.outcome == outcome for p in points) / len(points) if points else math.nan


def _stable(points: Sequence[Point]) -> dict[str, object]:
    rates = [(dict(p.setting).get("learning_rate"), p.outcome) for p in points if p.outcome != "failed"]
    tried = [rate for rate, _ in rates if rate is not None]
    if not tried:
        return {STABLE_RATE: math.nan, f"{STABLE_RATE}.censored": 0}
    trained = [rate for rate, outcome in rates if rate is not None and outcome == "trained"]
    if not trained:
        return {STABLE_RATE: math.log10(min(tried)), f"{STABLE_RATE}.censored": -1}
    return {STABLE_RATE: math.log10(max(trained)), f"{STABLE_RATE}.censored": int(max(trained) == max(tried))}


def _finals(sweep: SweepSpec, choice: Choice, trials: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Setting -> the cell's finals in it."""
    asked = {"default": default_finals_of(sweep, choice.cell), "tuned": finals_of(sweep, choice)}
    return {s: trials[trials["trial_id"].isin([t.trial_id for t in wanted])] for s, wanted in asked.items()}


def _trains(finals: pd.DataFrame) -> bool:
    return bool(((finals["recorded"] == "trained") | (finals["outcome"] == "trained")).any())


def _compared(ours: Mapping[str, pd.DataFrame]) -> dict[str, object]:
    """The cell's finals in both settings, side by side."""
    row: dict[str, object] = {}
    for setting, finals in ours.items():
        accuracy = finals["test.accuracy"].astype(float) if "test.accuracy" in finals else pd.Series(dtype=float)
        row[f"{setting}.test_accuracy"] = float(accuracy.mean()) if accuracy.notna().any() else math.nan
        row[f"{setting}.trained_share"] = float((finals["outcome"] == "trained").mean()) if len(finals) else math.nan
    return row


def _breaches(table: pd.DataFrame) -> list[str]:
    usual = int(table["tuning_trials"].max())
    found = []
    for row in table.to_dict("records"):
        parts = []
        if row["tuning_trials"] != usual:
            parts.append(f"{row['tuning_trials']} tuning trials, others have {usual}")
        if row["failed"]:
            parts.append(f"{row['failed']} of {row['tuning_trials']} tuning trials failed")
        if row["edges"]:
            parts.append(f"the choice lies on the edge of {row['edges']}")
        found.append("; ".join(parts))
    return found


def headline(sweep: SweepSpec, trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that trends and claims rest on: of a tuned sweep, and of a table of one, the finals of the chosen
    settings, else all."""
    kept = (trials["phase"] == "final") & (trials["setting"] == "tuned")
    if sweep.tune is None and not kept.any():
        return trials
    return trials[kept.to_numpy(dtype=bool)].reset_index(drop=True)
