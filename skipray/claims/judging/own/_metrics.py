"""What declared claims have in common: a metric of a family, and words for it."""

import difflib

import pandas as pd

from skipray.claims.judging.data import NOTHING_RIGHT, DivergedValue, SweepData

ACCURACIES = ("train.accuracy", "test.accuracy")
"""Of which a network with a non-finite loss has none. A gap between two is no accuracy: 0 would be a good one."""

SETTINGS = ("trained.", "dataset.", "model.", "recipe.")
"""What the names of columns begin with that no run measures."""


def counted_as(metric: str) -> DivergedValue | None:
    """What a diverged network counts as where it is not left out; None of a metric of which it has no worst value."""
    return NOTHING_RIGHT if metric in ACCURACIES else None


def of_family(data: SweepData, metric: str, family: str, diverged: DivergedValue | None = None) -> pd.DataFrame:
    """Trials of a family that have the metric, with their `stratum`."""
    table = data.measured(metric, data.of(family), diverged=diverged)
    return table.assign(stratum=data.strata(table))


def missing(data: SweepData, *metrics: str) -> str:
    """Which of the metrics no run has, and the nearest that some has; empty where all are there."""
    known = [str(c) for c in data.trials.columns if not str(c).endswith(".censored")]
    known = [name for name in known if not name.startswith(SETTINGS)]
    for metric in metrics:
        if metric not in known and data.trials.empty:
            return "no trial is finished"
        if metric not in known:
            near = difflib.get_close_matches(metric, known, n=3)
            return f"no run has {metric}" + (f" (the nearest are {', '.join(near)})" if near else "")
    return ""
