"""Which trials a sweep has by now: a tuned or adaptive one gets its trials from the results of earlier ones."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from skipray.search.study import Study
from skipray.search.tuning import SeedScore
from skipray.spec import SweepSpec, TrialSpec
from skipray.tracking.address import resolve_uri
from skipray.tracking.read.former import aliases, points_today, renamed
from skipray.tracking.read.ledger import Ledger, child_runs, ledger_of
from skipray.tracking.read.measured import read_wide
from skipray.tracking.read.row import RunRow

SCORES = ("validation.accuracy", "validation.loss")


@dataclass(frozen=True)
class KnownTrials:
    """The trials of a sweep that follow from its file and from what is tracked."""

    trials: tuple[TrialSpec, ...]
    to_come: int
    """More that will follow from results. 0 of an adaptive sweep: nobody knows how many it needs."""


def known_trials(sweep: SweepSpec, tracking_uri: str | None = None) -> KnownTrials:
    """The trials of a sweep by now.

    Of an adaptive sweep: the candidates that were started. Of a tuned one: all points, extensions included, the default
    setting's finals and, once the study is complete, the tuned finals.

    Raises:
        TrackingAway: the store cannot be reached.
    """
    if sweep.adaptive is not None:
        uri = resolve_uri(sweep, tracking_uri)
        rows = renamed(child_runs(uri, sweep.name), aliases(sweep, uri, sweep.trials()))
        started = {row.trial_id for row in rows}
        return KnownTrials(tuple(t for t in sweep.trials() if t.trial_id in started), 0)
    if sweep.tune is not None:
        study = read_study(sweep, tracking_uri, failed=True)
        return KnownTrials(study.trials(), study.to_come())
    return KnownTrials(sweep.trials(), 0)


def read_study(sweep: SweepSpec, tracking_uri: str | None = None, *, failed: bool) -> Study:
    """A tuned sweep's study with the scores that are tracked.

    Args:
        failed: whether a failed point counts as told. A launch runs it again; a report does not wait for it.
    """
    uri = resolve_uri(sweep, tracking_uri)
    study = Study(sweep)
    # A trial that has ended tells its score whatever it was run for: a study with one more seed has the same points.
    rows = list(points_today(sweep, uri, child_runs(uri, sweep.name)))
    _add_points(study, rows)
    ledger = ledger_of(rows)
    study.scores |= scores_of(uri, sweep, ledger)
    if failed:
        study.scores |= dict.fromkeys(ledger.failed, SeedScore("failed"))
    return study


def _add_points(study: Study, rows: Iterable[RunRow]) -> None:
    """The points of a sampler of its own, as their runs were tagged."""
    if study.tune.sampler == "sobol":
        return
    for row in rows:
        if row.study is not None and row.point is not None and row.recipe is not None:
            recipe = json.loads(row.recipe)
            study.add(row.study, row.point, tuple((name, float(recipe[name])) for name in study.tune.space))


def scores_of(uri: str, sweep: SweepSpec, ledger: Ledger) -> dict[str, SeedScore]:
    """trial_id -> score of the finished trials of a ledger."""
    rows = list(ledger.finished.values())
    if not rows:
        return {}
    metrics = read_wide(uri, sweep.name, rows, lambda text: None).metrics
    absent = np.full(len(rows), np.nan)
    accuracy, loss = (np.asarray(metrics.get(key, absent), dtype=float) for key in SCORES)
    return {
        row.trial_id: SeedScore(
            str(row.outcome),
            None if row.outcome == "diverged" or not np.isfinite(a) else float(a),
            float(b) if np.isfinite(b) else None,
        )
        for row, a, b in zip(rows, accuracy, loss, strict=True)
    }
