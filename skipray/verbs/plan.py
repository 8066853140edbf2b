"""Show what would run."""

import os
from typing import Annotated

import typer

from skipray.records import State
from skipray.spec import SweepSpec
from skipray.verbs.shared.code import check_code
from skipray.verbs.shared.loading import budget_of, load, refuse_gone
from skipray.verbs.shared.options import BudgetOption, JsonOption, SetOption, SweepArgument, UriOption
from skipray.verbs.shared.speaking import print_json, tell

EXAMPLES = (
    "skipray plan quickstart",
    "skipray plan quickstart --set factors.depth=[20,56]",
    "skipray plan quickstart --budget 30min",
)


def plan(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the tracking store what is done.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="One line.")] = False,
    budget: BudgetOption = None,
) -> None:
    """Show what would run: trials, sizes, estimated time, what is done. Starts nothing."""
    from skipray.planning.notes import notes_of
    from skipray.planning.plan import make_plan
    from skipray.results import planned
    from skipray.terminal import display

    spec = load(sweep, overrides)
    notes = notes_of(spec)
    limit = budget_of(budget)
    states: dict[str, State] = {}
    trials = None
    if not offline:
        from skipray import tracking

        refuse_gone(spec.name, spec, tracking_uri)
        with tracking.one_look(tell):
            check_code(spec, tracking_uri)
            if tracking.exists(spec, tracking_uri):
                trials = tracking.known_trials(spec, tracking_uri).trials
                states = tracking.states(spec, tracking_uri, trials=trials)
    seconds = None
    if limit is not None and limit.seconds is not None:
        from skipray.scheduling.ray.timing import time_here

        seconds = time_here(spec, os.environ.get("SKIPRAY_DATA"))
    made = make_plan(spec, states, trials=trials, seconds=seconds, concurrency=concurrency(spec))
    reached = None
    if limit is not None and spec.adaptive is None:
        from skipray.planning.budget import fit

        costs = {p.trial.trial_id: p.seconds for p in made.trials}
        missing = [p.trial for p in made.unfinished]
        reached = fit(spec, missing, seconds or (lambda t: costs.get(t.trial_id, 0.0)), limit, made.concurrency)
    if as_json:
        more = {} if reached is None else {"budget": planned.fit_result(reached)}
        print_json("plan", planned.plan_result(made) | {"notes": list(notes)} | more)
    elif brief:
        print(display.plan_line(made))
    else:
        from skipray.analysis import predicted_limit
        from skipray.terminal import predicted

        display.show_plan(made)
        predicted.show_limits(predicted_limit.of_groups(spec), spec.depth_words)
        if reached is not None:
            display.show_fit(reached)
        for note in notes:
            print(note)


def concurrency(spec: SweepSpec) -> int:
    """Trials at once on this machine, for an estimate; a cluster's own number is known when it is reached."""
    from skipray.planning.cores import usable_cores

    if spec.resources.max_concurrent:
        return spec.resources.max_concurrent
    if spec.resources.device == "cuda":
        return max(1, round(1 / (spec.resources.gpu_fraction or 1.0)))
    return max(1, usable_cores() // spec.resources.threads)
