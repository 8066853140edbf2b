"""The trainable depth that theory predicts for a network before it has been trained, one for each group of a sweep.

`skipray.theory` has the formulas, `limit_rules` which of them holds for which network. A formula sees the network at
initialisation alone: neither the learning rate nor the length of the training is in it.
"""

from collections.abc import Mapping
from typing import Any

from skipray.analysis.limit_formulas import Unpredictable
from skipray.analysis.limit_rules import PredictedLimit, nothing, of_family
from skipray.spec import Group, ModelSpec, Recipe, SweepSpec

__all__ = ["PredictedLimit", "of_groups", "predicted_limit", "records"]


def predicted_limit(model: ModelSpec, recipe: Recipe) -> PredictedLimit:
    """The trainable depth that theory predicts of networks like this one, whatever their depth."""
    if ":" in model.architecture:
        return nothing("a family of your own: its layers and sigma_w^2 are not known")
    try:
        return of_family(model, recipe)
    except Unpredictable as why:
        return nothing(str(why))


def of_groups(sweep: SweepSpec) -> dict[Group, PredictedLimit]:
    """The prediction of each group, in the sweep's order."""
    if sweep.of_table:
        return dict.fromkeys(
            sweep.groups, nothing("results of a table: what it does not say of a network is not known")
        )
    found: dict[Group, list[PredictedLimit]] = {}
    for cell in sweep.cells:
        found.setdefault(cell.cell.group, []).append(predicted_limit(cell.model, cell.recipe))
    return {group: _one(limits) for group, limits in found.items()}


def _one(limits: list[PredictedLimit]) -> PredictedLimit:
    """Fields that follow the depth may give each depth another prediction, and then the group has none."""
    distinct = dict.fromkeys(limits)
    if len(distinct) == 1:
        return limits[0]
    return nothing("what the prediction follows from differs from depth to depth")


def records(found: Mapping[Group, PredictedLimit], sweep: SweepSpec) -> list[dict[str, Any]]:
    """A row per group for JSON, with the sweep's factors by their bare names."""
    names = sweep.factor_names
    return [{**group.row(names), **limit.record()} for group, limit in found.items()]
