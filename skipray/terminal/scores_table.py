"""Accuracies and states by family and depth, as the terminal shows them: no value that tells rows apart is cut."""

from collections import Counter
from collections.abc import Iterable, Mapping

from skipray.records import State
from skipray.results.scores import SPLITS, CellScore, Scores
from skipray.spec import Cell, Group, TrialSpec
from skipray.terminal.blocks import Column, Grid
from skipray.terminal.visible import escape

MOST_GROUPS = 24
"""Groups whose accuracies are shown; the report has all."""

DIVERGED = "div."


def scores_table(scores: Scores, depth: str = "depth") -> Grid | None:
    """Mean train and test accuracy (or loss) over the seeds, groups down and depths across; how many seeds a mean is
    over where some are missing. None where nothing has a score.

    Args:
        depth: with what it counts, here and below: `SweepSpec.depth_words`.
    """
    cells = {c.cell: c for c in scores.cells}
    if not any(c.scored or c.diverged for c in scores.cells):
        return None
    depths = sorted({cell.depth for cell in cells})
    groups = list(dict.fromkeys(cell.group for cell in cells))
    rows = [
        (f"{escape(group.label)}, {split}", *(_score_text(cells.get(Cell(group, depth)), split) for depth in depths))
        for group in groups[:MOST_GROUPS]
        for split in SPLITS
        if any(c.means[split] is not None or c.diverged for c in scores.cells if c.cell.group == group)
    ]
    left = len(groups) - MOST_GROUPS
    notes = [f"and {left} more groups, which the report has"] if left > 0 else []
    notes += [f"{DIVERGED}: each seed that has finished diverged"] if any(DIVERGED in row for row in rows) else []
    return Grid(_columns(f"{scores.metric} at {depth}", depths), tuple(rows), "; ".join(notes), across=True)


def _score_text(score: CellScore | None, split: str) -> str:
    mean = score.means[split] if score is not None else None
    if score is None or mean is None:
        return DIVERGED if score is not None and score.diverged and not score.scored else "-"
    count = score.counts[split]
    partial = f" {count}/{score.seeds}" if count < score.seeds else ""
    return f"{_number(mean)}{partial}"


def _number(mean: float) -> str:
    return f"{mean:.3f}" if abs(mean) < 1000 else f"{mean:.3g}"


def state_grid(trials: Iterable[TrialSpec], states: Mapping[str, State], depth: str = "depth") -> Grid:
    """Finished of all seeds, architectures down and depths across."""
    cells: dict[Cell, Counter[str]] = {}
    for trial in trials:
        cells.setdefault(trial.cell, Counter())[states.get(trial.trial_id, "missing")] += 1
    depths = sorted({cell.depth for cell in cells})
    rows = [
        (escape(group.label), *(_state_text(cells.get(Cell(group, depth))) for depth in depths))
        for group in dict.fromkeys(cell.group for cell in cells)
    ]
    return Grid(_columns(f"architecture / {depth}", depths), tuple(rows), across=True)


def running_grid(found: Mapping[Cell, list[float]], depth: str = "depth") -> Grid:
    """Mean training accuracy of what has finished in a launch, architectures down and depths across."""
    depths = sorted({cell.depth for cell in found})

    def mean(group: Group, depth: int) -> str:
        values = found.get(Cell(group, depth))
        return f"{sum(values) / len(values):.2f}" if values else ""

    rows = [(escape(g.label), *(mean(g, d) for d in depths)) for g in dict.fromkeys(cell.group for cell in found)]
    return Grid(_columns(f"train accuracy at {depth}", depths), tuple(rows), across=True)


def _columns(title: str, depths: Iterable[int]) -> tuple[Column, ...]:
    title = escape(title).replace(" (", "\n(", 1)  # what depth counts stands below, so that the column stays narrow
    return (Column(title), *(Column(str(depth), right=True, whole=True) for depth in depths))


def _state_text(counts: Counter[str] | None) -> str:
    if counts is None:
        return "[dim]-[/dim]"
    text = f"{counts['finished']}/{counts.total()}"
    if counts["failed"]:
        return f"[red]{text}[/red]"
    if counts["finished"] == counts.total():
        return f"[green]{text}[/green]"
    return f"[cyan]{text}[/cyan]" if counts["running"] else f"[dim]{text}[/dim]"
