"""A sweep: a checked file and its trials."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from skipray.spec.fields import DatasetSpec, ProbeSpec, Resources, Tracking
from skipray.spec.trial import TrialSpec


@dataclass(frozen=True)
class SweepSpec:
    """A checked sweep file."""

    path: Path
    text: str
    """The file as it was read."""
    overrides: tuple[str, ...]
    name: str
    question: str
    dataset: DatasetSpec
    factors: dict[str, tuple[Any, ...]]
    seeds: tuple[int, ...]
    probe: ProbeSpec
    resources: Resources
    tracking: Tracking
    cells: tuple[TrialSpec, ...] = field(repr=False)
    """One trial a cell, with the first seed, in the file's order."""

    def trials(self) -> tuple[TrialSpec, ...]:
        """Every trial of the sweep, cells in the file's order, seeds innermost."""
        return self._trials

    @cached_property
    def _trials(self) -> tuple[TrialSpec, ...]:
        return tuple(replace(cell, seed=seed) for cell in self.cells for seed in self.seeds)
