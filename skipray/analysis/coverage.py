"""How far a sweep has come, cell by cell, and what a claim says that rests on a part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from skipray.claims import Claim
from skipray.spec import Cell, SweepSpec, TrialSpec
from skipray.trends.limit_words import gap_words, listed

COUNTS = ("seeds", "finished", "diverged", "exploded", "untrained", "failed", "running", "missing")
"""What is counted of each cell: finished ones include the diverged, the exploded and the untrained."""
MOST_GROUPS_MISSING = 4
"""Kinds of gaps that a claim names."""


def asked_for(sweep: SweepSpec, known: Sequence[TrialSpec]) -> tuple[TrialSpec, ...]:
    """The trials that the answer rests on: of a tuned sweep, and of its table, the tuned finals; none before tuning
    is complete."""
    tuned = tuple(t for t in known if t.setting == "tuned")
    return tuple(known) if sweep.tune is None and not tuned else tuned


def planned_finals(sweep: SweepSpec) -> tuple[TrialSpec, ...]:
    """A trial for each final that a tuned sweep will have; nothing has run of them."""
    return tuple(replace(c, seed=s, setting="tuned") for c in sweep.cells for s in sweep.seeds if sweep.tune)


def coverage(
    sweep: SweepSpec, trials: pd.DataFrame, states: Mapping[str, str], asked: Sequence[TrialSpec] | None = None
) -> pd.DataFrame:
    """What was run, cell by cell; columns as `Aggregate.coverage` has them."""
    outcomes = dict(zip(trials["trial_id"], trials["outcome"], strict=True)) if len(trials) else {}
    rows: dict[Cell, dict[str, Any]] = {}
    for trial in sweep.trials() if asked is None else asked:
        row = rows.setdefault(trial.cell, dict.fromkeys(COUNTS, 0))
        state = states.get(trial.trial_id, "missing")
        outcome = outcomes.get(trial.trial_id)
        for column in ("seeds", state, *([outcome] if outcome in ("diverged", "exploded", "untrained") else [])):
            row[column] += 1
    named = [{"group": cell.group, "depth": cell.depth} | counts for cell, counts in rows.items()]
    return pd.DataFrame(named, columns=["group", "depth", *COUNTS])


def preliminary(claims: tuple[Claim, ...], covered: pd.DataFrame) -> tuple[Claim, ...]:
    """Claims that rest on an unfinished sweep say which trials are missing."""
    lacking = covered[covered["seeds"] > covered["finished"]]
    if lacking.empty:
        return claims
    of_groups: dict[str, list[tuple[int, int, int]]] = {}
    for row in covered.sort_values("depth", kind="stable").to_dict("records"):
        cell = (int(row["depth"]), int(row["seeds"] - row["finished"]), int(row["seeds"]))
        of_groups.setdefault(row["group"].label, []).append(cell)
    same: dict[str, list[str]] = {}
    for label, cells in of_groups.items():
        same.setdefault(gap_words(cells), []).append(label)
    same.pop("", None)
    named = [f"{gap} of {listed(labels)}" for gap, labels in list(same.items())[:MOST_GROUPS_MISSING]]
    left = sum(len(labels) for labels in list(same.values())[MOST_GROUPS_MISSING:])
    more = [f"{left} more groups"] if left else []
    words = f"Preliminary; missing: {'; '.join([*named, *more])}."
    return tuple(c if c.verdict == "not tested" else replace(c, sentence=f"{c.sentence} {words}") for c in claims)
