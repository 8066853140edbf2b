"""Which queue a sweep needs: a fixed one, a tuned one, or the search for depth limits."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from skipray import tracking
from skipray.planning.budget import Budget, BudgetFit
from skipray.scheduling.work.adaptive import SCORES, FrontierWork
from skipray.scheduling.work.protocol import FixedWork, Work
from skipray.search.tuning import SeedScore
from skipray.spec import SweepSpec, TrialSpec
from skipray.tracking import KnownTrials, Ledger

Seconds = Callable[[TrialSpec], float]


def work_of(
    sweep: SweepSpec,
    uri: str,
    ledger: Ledger,
    known: KnownTrials,
    seconds: Seconds,
    *,
    fit: BudgetFit | None = None,
    budget: Budget | None = None,
    concurrency: int = 1,
) -> Work:
    """The queue of what is missing.

    Args:
        uri: of the tracking store.
        ledger: what is finished of the sweep's trials.
        known: the trials that the sweep has by now.
        seconds: estimated time of a trial.
        fit: which depths and seeds of a fixed or tuned sweep are run.
        budget: of an adaptive sweep.
    """
    if sweep.adaptive is not None:
        return _frontier(sweep, uri, ledger, seconds, budget, concurrency)
    if sweep.tune is not None:
        return _tuned(sweep, uri, ledger.finished, seconds, fit)
    missing = [t for t in known.trials if t.trial_id not in ledger.finished and (fit is None or fit.keeps(t))]
    return FixedWork(missing, [seconds(t) for t in missing])


def is_complete(sweep: SweepSpec, uri: str, ledger: Ledger, known: KnownTrials) -> bool:
    """Whether nothing is left to be run."""
    if sweep.adaptive is not None:
        return FrontierWork(sweep, results(sweep, uri, ledger)).exhausted
    return known.to_come == 0 and all(t.trial_id in ledger.finished for t in known.trials)


def results(sweep: SweepSpec, uri: str, ledger: Ledger) -> dict[str, dict[str, Any]]:
    """trial_id -> outcome and scores of what is finished."""
    finished = [t for t in sweep.trials() if t.trial_id in ledger.finished]
    if not finished:
        return {}
    read = tracking.read_trials(sweep, uri, trials=finished, ledger=ledger)
    columns = ["outcome", *(name for name in SCORES if name in read)]
    return {str(row["trial_id"]): {c: row[c] for c in columns} for row in read.to_dict("records")}


def _frontier(
    sweep: SweepSpec, uri: str, ledger: Ledger, seconds: Seconds, budget: Budget | None, concurrency: int
) -> FrontierWork:
    costs = {i: seconds(cell) for i, cell in enumerate(sweep.cells)}
    budget = budget or Budget()
    worker_seconds = None if budget.seconds is None else budget.seconds * concurrency
    return FrontierWork(
        sweep,
        results(sweep, uri, ledger),
        seconds=costs,
        budget_seconds=worker_seconds,
        budget_trials=budget.trials,
    )


def _tuned(sweep: SweepSpec, uri: str, finished: Collection[str], seconds: Seconds, fit: BudgetFit | None) -> Work:
    from skipray.scheduling.work.studies import Studies
    from skipray.scheduling.work.tuned import TunedWork

    keeps = fit.keeps if fit is not None else _keep_all
    depths = {depth for depth, _ in fit.kept} if fit is not None else {cell.model.depth for cell in sweep.cells}
    reached = replace(sweep, cells=tuple(cell for cell in sweep.cells if cell.model.depth in depths))
    study = tracking.read_study(reached, uri, failed=False)
    journal = tracking.store_folder(uri) / "optuna" / f"{sweep.name}.log"

    def look_up(trial: TrialSpec) -> SeedScore | None:
        return tracking.read_study(reached, uri, failed=False).scores.get(trial.trial_id)

    return TunedWork(study, Studies(study, journal), seconds, finished=finished, look_up=look_up, keep=keeps)


def _keep_all(trial: TrialSpec) -> bool:
    return True
