"""A sweep: a checked file and its trials."""

from dataclasses import dataclass, field
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
    _trials: tuple[TrialSpec, ...] = field(repr=False)

    def trials(self) -> tuple[TrialSpec, ...]:
        """Every trial of the sweep, cells in the file's order, seeds innermost."""
        return self._trials
