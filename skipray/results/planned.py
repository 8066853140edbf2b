"""A plan, and what has become of its trials, as JSON."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from skipray.planning.budget import BudgetFit
from skipray.planning.plan import Plan
from skipray.records import STATES, State
from skipray.spec import SweepSpec, TrialSpec

if TYPE_CHECKING:
    from skipray.results.scores import Scores  # pandas


def plan_result(plan: Plan) -> dict[str, Any]:
    """`skipray plan --json`."""
    from skipray.analysis import predicted_limit  # scipy, which a launch's table of states can do without

    return {
        "sweep": plan.sweep.name,
        "trials": trial_rows(plan),
        "total_seconds": round(plan.total_seconds, 3),
        "concurrency": plan.concurrency,
        "to_come": plan.to_come,
        "finished": plan.count("finished"),
        "predicted_limits": predicted_limit.records(predicted_limit.of_groups(plan.sweep), plan.sweep),
    }


def trial_rows(plan: Plan) -> list[dict[str, Any]]:
    """A row per trial, the longest first."""
    names = plan.sweep.factor_names
    return [
        {
            **_trial(p.trial, names),
            "parameters": p.sizes.parameters if p.sizes else None,
            "flops": p.sizes.flops if p.sizes else None,
            "activation_bytes": p.sizes.activation_bytes if p.sizes else None,
            "seconds": round(p.seconds, 3),
            "state": p.state,
        }
        for p in plan.trials
    ]


def fit_result(reached: BudgetFit) -> dict[str, Any]:
    """What a budget reaches for: `budget` in the result of a plan."""
    return {
        "budget_seconds": reached.budget.seconds,
        "budget_trials": reached.budget.trials,
        "trials": reached.trials,
        "seconds": round(reached.seconds, 3),
        "extension_trials": reached.extension,
        "lost": [{"depth": depth, "seed": seed} for depth, seed in reached.lost],
    }


def state_counts(trials: Iterable[TrialSpec], states: Mapping[str, State], to_come: int = 0) -> dict[str, int]:
    """How many trials there are, and how many in each state.

    Args:
        states: trial_id -> state; a trial without one is missing.
        to_come: how many more will follow from results; they are missing.
    """
    counts: Counter[State] = Counter(states.get(t.trial_id, "missing") for t in trials)
    counts["missing"] += to_come
    return {"total": counts.total()} | {state: counts.get(state, 0) for state in STATES}


def status_result(
    sweep: SweepSpec,
    trials: Iterable[TrialSpec],
    states: Mapping[str, State],
    causes: Mapping[str, tuple[str, str]],
    to_come: int = 0,
    scores: "Scores | None" = None,
) -> dict[str, Any]:
    """`skipray status --json`.

    Args:
        trials: those that the sweep has by now.
        causes: trial_id -> class and message of the failure of each trial whose last attempt failed.
    """
    trials = tuple(trials)
    names = sweep.factor_names
    return {
        "sweep": sweep.name,
        **state_counts(trials, states, to_come),
        "failures": [
            {**_trial(t, names), "failure_class": causes[t.trial_id][0], "message": causes[t.trial_id][1]}
            for t in trials
            if t.trial_id in causes
        ],
        "scores": scores.records(names) if scores is not None else [],
    }


def _trial(trial: TrialSpec, names: Iterable[str]) -> dict[str, Any]:
    """What names a trial in every list of trials."""
    return {
        "trial_id": trial.trial_id,
        "label": trial.label,
        "seed": trial.seed,
        "phase": trial.phase,
        "setting": trial.setting,
        **trial.cell.row(names),
    }
