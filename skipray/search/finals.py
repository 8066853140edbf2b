"""The trials of a tuned sweep that are compared: the default setting's and the chosen ones'."""

from dataclasses import replace

from skipray.search.tuning import Choice, Decision
from skipray.spec import SweepSpec, TrialSpec


def default_finals(sweep: SweepSpec) -> tuple[TrialSpec, ...]:
    """The recipe as the file has it, with every seed of the sweep, in every cell."""
    return tuple(trial for cell in sweep.cells for trial in default_finals_of(sweep, cell))


def default_finals_of(sweep: SweepSpec, cell: TrialSpec) -> tuple[TrialSpec, ...]:
    """One cell's finals in the default setting."""
    return tuple(cell.with_seed(seed) for seed in sweep.seeds)


def finals(sweep: SweepSpec, decision: Decision) -> tuple[TrialSpec, ...]:
    """The chosen setting of each cell with every seed of the sweep; none before the study is complete."""
    return tuple(trial for choice in decision.choices for trial in finals_of(sweep, choice))


def finals_of(sweep: SweepSpec, choice: Choice) -> tuple[TrialSpec, ...]:
    """One cell's finals in the chosen setting; none where nothing could be chosen."""
    if choice.setting is None:
        return ()
    recipe = choice.cell.recipe.model_copy(update=dict(choice.setting))
    return tuple(replace(choice.cell, recipe=recipe, seed=seed, setting="tuned") for seed in sweep.seeds)
