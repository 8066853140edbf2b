"""What a sweep is: strict YAML in, frozen trials out.

A sweep file names one question. Its `factors` are crossed into cells, `include` adds and `exclude` removes cells, and
each cell is run once per seed. Nothing here imports torch, ray or mlflow, and nothing is created on disk.

Every error is a `SpecError` that names the file, the line, the key, what was found and what is allowed.
"""

from skipray.extension.field_docs import show_fields
from skipray.spec.cell import Cell, Group
from skipray.spec.document import SpecError
from skipray.spec.fields import (
    Adaptive,
    DatasetSpec,
    ModelSpec,
    ProbeSpec,
    Recipe,
    Resources,
    SearchRange,
    Tracking,
    Trained,
    Tune,
)
from skipray.spec.identity import NUMERICS_VERSION
from skipray.spec.reader import load_sweep, sweep_of
from skipray.spec.shapes import TokenShape
from skipray.spec.sweep import SweepSpec
from skipray.spec.trial import TrialSpec
from skipray.spec.values import canonical_json

__all__ = [
    "NUMERICS_VERSION",
    "Adaptive",
    "Cell",
    "DatasetSpec",
    "Group",
    "ModelSpec",
    "ProbeSpec",
    "Recipe",
    "Resources",
    "SearchRange",
    "SpecError",
    "SweepSpec",
    "TokenShape",
    "Tracking",
    "Trained",
    "TrialSpec",
    "Tune",
    "canonical_json",
    "load_sweep",
    "sweep_of",
]

show_fields(__all__, globals())
