"""Phase diagrams of a sweep: train accuracy over a numeric factor and depth, with the limits at each of its values.

Schoenholz et al. 2017, "Deep information propagation", Fig. 5, is one over sigma_w^2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skipray.analysis.predicted_limit import PredictedLimit, of_groups, predicted_limit
from skipray.curves import Array
from skipray.spec import Group, ModelSpec, Recipe, SweepSpec, TrialSpec
from skipray.trends import Limit

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate

FEWEST_VALUES, FEWEST_DEPTHS = 3, 2
"""Of a factor and of depth: what is a map rather than a row."""
CURVE_POINTS = 25
"""Values of the factor, besides those that were tried, at which the predicted limit is computed."""
WIDE = 8.0
"""An axis of a factor whose values span more than this is logarithmic."""
METRIC = "train.accuracy"


@dataclass(frozen=True)
class PhaseColumn:
    """One value of the factor: what was measured there by depth."""

    value: float
    group: Group
    depths: tuple[int, ...]
    accuracy: tuple[float, ...]
    """Mean over the seeds."""
    seeds: tuple[int, ...]
    """How many."""
    measured: Limit | None
    predicted: PredictedLimit


@dataclass(frozen=True)
class Phase:
    """One map: all factors but the one are the same."""

    factor: str
    columns: tuple[PhaseColumn, ...]
    """By rising value."""
    curve: tuple[tuple[float, PredictedLimit], ...]
    """The predicted limit between and at the values, by rising value."""

    @property
    def logarithmic(self) -> bool:
        low, high = self.columns[0].value, self.columns[-1].value
        return low > 0 and high / low > WIDE

    @property
    def others(self) -> dict[str, object]:
        """The factors that are the same for the whole map."""
        return {k: v for k, v in self.columns[0].group.values.items() if k != self.factor}


def phases(aggregate: "Aggregate") -> tuple[Phase, ...]:
    """The maps over the numeric factor that has most values; none where no factor has enough.

    One map for each combination of all other factors: nothing is averaged but seeds.
    """
    sweep = aggregate.sweep
    best: dict[str, list[list[Group]]] = {}
    for factor in sweep.factor_names:
        rows = [row for row in _rows(sweep.groups, factor) if len(row) >= FEWEST_VALUES]
        if rows:
            best[factor] = rows
    if not best:
        return ()
    factor = max(best, key=lambda f: max(map(len, best[f])))  # the first in the file, of several with as many
    limits, predictions = dict(aggregate.limits), of_groups(sweep)
    found = {s.group: s for s in aggregate.series if s.metric == METRIC}
    cells: dict[Group, TrialSpec] = {}
    for cell in sweep.cells:
        cells.setdefault(cell.cell.group, cell)
    out = []
    for row in best[factor]:
        columns = []
        for group in row:
            if group in found:
                depth, value = np.asarray(found[group].depth), np.asarray(found[group].value, float)
                at = sorted(set(depth.tolist()))
                means = tuple(float(value[depth == d].mean()) for d in at)
                counts = tuple(int((depth == d).sum()) for d in at)
                columns.append(
                    PhaseColumn(
                        _value(group, factor), group, tuple(at), means, counts, limits.get(group), predictions[group]
                    )
                )
        tried = {d for c in columns for d in c.depths}
        if len(columns) >= FEWEST_VALUES and len(tried) >= FEWEST_DEPTHS:
            columns.sort(key=lambda c: c.value)
            out.append(Phase(factor, tuple(columns), tuple(_curve(sweep, factor, columns, cells[columns[0].group]))))
    return tuple(out)


def _rows(groups: tuple[Group, ...], factor: str) -> list[list[Group]]:
    """Groups that differ in a numeric factor alone."""
    rows: dict[tuple[object, ...], list[Group]] = {}
    for group in groups:
        value = group.values.get(factor)
        if isinstance(value, int | float) and not isinstance(value, bool):
            key = (group.architecture, *((k, v) for k, v in group.factors if k != factor))
            rows.setdefault(key, []).append(group)
    return list(rows.values())


def _value(group: Group, factor: str) -> float:
    value = group.values[factor]
    assert isinstance(value, int | float)
    return float(value)


def _curve(
    sweep: SweepSpec, factor: str, columns: list[PhaseColumn], cell: TrialSpec
) -> Iterator[tuple[float, PredictedLimit]]:
    """At the values tried, and between them where the factor is a field that can have such values."""
    tried = {c.value: c.predicted for c in columns}
    between: Mapping[float, PredictedLimit] = {}
    field = {**ModelSpec.model_fields, **Recipe.model_fields}.get(factor)
    if field is not None and any(p.depth is not None for p in tried.values()):
        whole = all(isinstance(c.group.values[factor], int) for c in columns) and factor != "weight_gain"
        between = {v: _at(cell, factor, v, whole) for v in _grid(columns, whole) if v not in tried}
    yield from sorted({**between, **tried}.items())


def _grid(columns: list[PhaseColumn], whole: bool) -> list[float]:
    low, high = columns[0].value, columns[-1].value
    values: Array = np.geomspace(low, high, CURVE_POINTS) if low > 0 else np.linspace(low, high, CURVE_POINTS)
    return sorted({float(round(v)) for v in values}) if whole else [float(v) for v in values]


def _at(cell: TrialSpec, factor: str, value: float, whole: bool) -> PredictedLimit:
    update = {factor: int(value) if whole else value}
    if factor in ModelSpec.model_fields:
        return predicted_limit(cell.model.model_copy(update=update), cell.recipe)
    return predicted_limit(cell.model, cell.recipe.model_copy(update=update))
