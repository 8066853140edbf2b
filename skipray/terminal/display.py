"""What the command line prints: plans, states, claims. Text to stdout, or one JSON object."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from skipray.planning.budget import BudgetFit
from skipray.planning.estimate import memory_bytes
from skipray.planning.plan import Plan, PlannedTrial
from skipray.records import STATES, State
from skipray.results.planned import state_counts
from skipray.results.scores import Scores, scores_in
from skipray.spec import Cell, Group, SweepSpec, TrialSpec
from skipray.terminal.blocks import Block, Column, Grid, Line, show
from skipray.terminal.scores_table import scores_table, state_grid
from skipray.terminal.visible import escape
from skipray.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from skipray.analysis.aggregation import Aggregate


_SEARCH_VERDICTS = {
    "found": "its interval is as narrow as was asked",
    "beyond": "it lies beyond the deepest",
    "below": "it lies below the shallowest",
    "open": "needs more trials",
}


def console() -> Console:
    """Standard output; wide where the width is unknown, so that a pipe gets whole lines."""
    made = Console(highlight=False, soft_wrap=False, emoji=False)  # `nets:tv:` is no picture
    return made if made.is_terminal else Console(highlight=False, emoji=False, width=160)


def duration(seconds: float) -> str:
    """`0.4 s`, `41 s`, `3.2 min`, `7.5 h`, `2.1 days`."""
    for limit, unit, size in ((90, "s", 1), (90 * 60, "min", 60), (48 * 3600, "h", 3600)):
        if seconds < limit:
            value = seconds / size
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{seconds / 86400:.1f} days"


def count(number: float) -> str:
    """`812`, `27.4 k`, `2.60 M`, `1.3 G`."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"


def plan_line(plan: Plan) -> str:
    depths = sorted({cell.model.depth for cell in plan.sweep.cells})
    reach = f"{depths[0]} to {depths[-1]}" if len(depths) > 1 else str(depths[0])
    span = f"{plan.sweep.depth_words} {reach}"
    trials = f"{counted(len(plan.trials), 'trial')}{_to_come(plan)}"
    return (
        f"{plan.sweep.path}: {trials}, {span}, {plan.count('finished')} finished, "
        f"about {duration(plan.total_seconds)} at {plan.concurrency} at once"
    )


WIDE = 100
"""Columns of a terminal from which tables are set wide."""
BESIDE_NAMES = 54
"""Columns of the numbers of a plan beside the names, at most."""


def show_plan(plan: Plan) -> None:
    out = console()
    out.print(f"[bold]{plan.sweep.name}[/bold]: {escape(plan.sweep.question)}")
    narrow = out.width < WIDE
    table = Table(box=None, pad_edge=False, collapse_padding=narrow, header_style="bold")
    # A group's values tell it apart: on a narrow terminal its name goes on in the next line, and no word is cut while
    # there is room for what stands beside it.
    longest = max(len(word) for group in plan.sweep.groups for word in group.label.split())
    table.add_column("architecture", min_width=min(longest, out.width - BESIDE_NAMES), overflow="fold")
    for name in ("depth", "parameters", "FLOPs/\nsample", "memory", "time\neach", "trials\nfinished"):
        table.add_column(name, justify="right", no_wrap=True)
    cells: dict[Cell, list[PlannedTrial]] = {}
    for planned in plan.trials:
        cells.setdefault(planned.trial.cell, []).append(planned)
    order = {group: place for place, group in enumerate(plan.sweep.groups)}
    last: Group | None = None
    for cell, members in sorted(cells.items(), key=lambda item: (order[item[0].group], item[0].depth)):
        done = sum(p.state == "finished" for p in members)
        table.add_row(
            escape(cell.group.label) if cell.group != last else "",
            str(cell.depth),
            count(members[0].sizes.parameters) if members[0].sizes else "?",
            count(members[0].sizes.flops) if members[0].sizes else "?",
            f"{count(memory_bytes(members[0].trial, members[0].sizes))}B" if members[0].sizes else "?",
            duration(members[0].seconds),
            f"{done}/{len(members)}",
        )
        last = cell.group
    out.print(table)
    if plan.sweep.depth_sentence:
        out.print(escape(plan.sweep.depth_sentence))
    if plan.sweep.adaptive is not None:
        depths = [cell.model.depth for cell in plan.sweep.cells]
        out.print(
            f"Depths are chosen while it runs, from {len(set(depths))} between {min(depths)} and {max(depths)}: "
            f"at most {counted(plan.sweep.adaptive.max_trials, 'trial')} per group."
        )
    by_now = f"{counted(len(plan.trials), 'trial')}{_to_come(plan)}, {plan.count('finished')} finished; "
    if plan.count("finished") == len(plan.trials) and not _to_come(plan):
        out.print(by_now + "nothing is left to run.")
    else:
        rest = f"about {duration(plan.total_seconds)} for the rest at {plan.concurrency} at once, longest first."
        out.print(by_now + rest)
    out.print(f"[dim]Times are estimates from {plan.speed.source}; starting up comes on top.[/dim]")


def _to_come(plan: Plan) -> str:
    """The trials that will follow from results, in words."""
    if not plan.to_come:
        return ""
    return f" and at most {plan.to_come} more" if plan.sweep.adaptive else f" and {plan.to_come} tuned ones to come"


def fit_lines(reached: BudgetFit) -> list[str]:
    """What a budget reaches for, and what is lost in which order."""
    seconds = reached.budget.seconds
    budget = duration(seconds) if seconds is not None else counted(reached.budget.trials or 0, "trial")
    kept = f"budget of {budget}: {counted(reached.trials, 'trial')}, about {duration(reached.seconds)}"
    if reached.extension:
        kept += f" (and {reached.extension} more for each side of a range that has to be widened)"
    if not reached.lost:
        return [f"{kept}; everything fits"]
    lost = ", ".join(f"depth {depth} seed {seed}" for depth, seed in reached.lost[:12])
    more = f" and {len(reached.lost) - 12} more" if len(reached.lost) > 12 else ""
    return [f"{kept}; left out, what tells least first: {lost}{more}"]


def show_fit(reached: BudgetFit) -> None:
    for line in fit_lines(reached):
        console().print(line)


def show_states(
    sweep: SweepSpec,
    states: Mapping[str, State],
    causes: Mapping[str, str],
    trials: Iterable[TrialSpec] | None = None,
    to_come: int = 0,
    scores: Scores | None = None,
) -> None:
    """What networks have reached, what has become of the trials, and why some have failed."""
    out = console()
    trials = sweep.trials() if trials is None else tuple(trials)
    totals = state_counts(trials, states, to_come)
    out.print(f"[bold]{sweep.name}[/bold]: {escape(sweep.question)}")
    reached = scores_table(scores, sweep.depth_words) if scores is not None else None
    if reached is not None:
        out.print(reached)
    out.print(state_grid(trials, states, sweep.depth_words))
    out.print(", ".join(f"{totals[k]} {k}" for k in STATES))
    for trial in trials:
        if trial.trial_id in causes:
            out.print(f"[red]failed[/red] {trial.label}: ", end="")
            out.print(escape(causes[trial.trial_id]))


def show_predictions(name: str, rows: list[dict[str, Any]]) -> None:
    """Closed-form predictions, a row each."""
    out = console()
    out.print(f"[bold]{escape(name)}[/bold] at initialisation")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    columns = [c for c in dict.fromkeys(key for row in rows for key in row) if c != "key"]
    for column in columns:
        table.add_column(column, justify="right" if column in ("depth", "predicted") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_predicted(row.get(column)) for column in columns))
    out.print(table)


def _predicted(value: object) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else escape(str(value))


def show_aggregate(result: "Aggregate") -> None:
    show(aggregate_blocks(result), console())


def aggregate_blocks(result: "Aggregate") -> list[Block]:
    """What is shown of an aggregation: verdicts, limits, accuracies, and what stands against them."""
    from skipray.claims import asks_of
    from skipray.terminal.claims_table import claims_table, untested_line
    from skipray.trends.limit_words import limit_words  # `plan` need not wait for what fits trends

    found: list[Block] = []
    done, total = len(result.trials), int(result.coverage["seeds"].sum()) if len(result.coverage) else 0
    if done < total and result.sweep.adaptive is None:
        found.append(Line(f"Preliminary: {done} of {total} trials have finished."))
    reached = scores_table(scores_in(result), result.sweep.depth_words)
    if reached is not None:
        found.append(reached)
    tested = [c for c in result.claims if c.verdict != "not tested"]
    if tested:
        found.append(claims_table(tested))
    if result.limits and result.sweep.depth_sentence:
        found.append(Line(escape(result.sweep.depth_sentence)))
    for limits in result.limit_tables:
        if limits.of_groups:
            found.append(Line(f"{escape(limits.definition.sentence)}. Half of the seeds no longer do so at:"))
        found += [
            Line(f"  {escape(group.label)}: {limit_words(limit, result.sweep.depth_at)}")
            for group, limit in limits.of_groups
        ]
    families = {cell.model.architecture for cell in result.sweep.cells}
    line = untested_line(result.claims, asks_of(families, result.sweep.claims.roles))
    if line:
        found.append(Line(escape(line), style="dim"))
    for group, frontier in result.frontiers:
        said = f"{counted(frontier.trials, 'trial')}, {_SEARCH_VERDICTS[frontier.verdict]}"
        found.append(Line(f"search for the limit of {escape(group.label)}: {said}"))
    if len(result.tuning.fairness):
        found.append(_fairness_table(result.tuning.fairness))
    return [*found, *(Line(f"[yellow]audit:[/yellow] {escape(breach)}") for breach in result.audit)]


def _fairness_table(cells: "pd.DataFrame") -> Grid:
    """Tuned beside default, cell by cell."""
    chosen = [c for c in cells.columns if c.startswith("chosen.") and c != "chosen.validation_accuracy"]
    names = ["cell", "points", "diverged", *(c.removeprefix("chosen.") for c in chosen), "default", "tuned", ""]
    rows = []
    for row in cells.to_dict("records"):
        note = row["breach"] or ("untrainable" if row["untrainable"] else "")
        accuracies = (row["default.test_accuracy"], row["tuned.test_accuracy"])
        rows.append(
            (
                escape(row["cell"].label),
                str(row["points"]),
                f"{row['tuning.diverged_share']:.0%}",
                *(f"{row[c]:.3g}" for c in chosen),
                *("-" if math.isnan(a) else f"{a:.3f}" for a in accuracies),
                note,
            )
        )
    columns = tuple(Column(name, right=name not in ("cell", "")) for name in names)
    return Grid(columns, tuple(rows), "test accuracy in the default and in the tuned setting, mean over the seeds")
