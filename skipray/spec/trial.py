"""One trial: a cell, a hyperparameter setting and a seed, with the identity that its numbers follow from."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from skipray.spec.cell import MAIN_FACTORS, Cell, Group, Scalar, short_name
from skipray.spec.data_factors import DATASET, FIELDS, is_factor, value_of
from skipray.spec.fields import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources
from skipray.spec.identity import hashed_fields, numerics_version
from skipray.spec.models import OPTION
from skipray.spec.recipes import OF_SGD, UNWRITTEN
from skipray.spec.values import as_text, canonical_json


@dataclass(frozen=True)
class TrialSpec:
    """A cell, a hyperparameter setting and a seed. Picklable, without torch."""

    sweep: str
    dataset: DatasetSpec
    fingerprint: str
    """sha256 that the data must have; workers verify it."""
    model: ModelSpec
    recipe: Recipe
    seed: int
    probe: ProbeSpec
    resources: Resources
    save_weights: bool = True
    phase: Literal["tune", "final"] = "final"
    """tune: a point of a tuning study, which only helps to choose a setting. final: what trends and claims rest on."""
    setting: Literal["default", "tuned", "point"] = "default"
    """The recipe as the file has it, as tuning chose it for the cell, or one point of the study."""
    study: str = ""
    """Of a tuning trial: the key of its study, and which stage of it the point is of (`spec.points.stage_tag`)."""
    point: int | None = None
    """Of a tuning trial: the point's number in its study, from 0."""
    factors: tuple[str, ...] = ()
    """Bare names of the sweep's scientific factors, in the file's order; `cell` has their values."""
    family: str = ""
    """What the architecture is called in this sweep; its short name when left out."""
    data: str = ""
    """What the data set is called where it is a factor (`spec.data_factors.data_names`); its name when left out."""
    source_hashes: tuple[tuple[str, str], ...] = ()
    """module:name and sha256 of its source, for the user's own code."""
    stored_numerics: int | None = None
    """Of a trial that was read back: the version of the numerics that it was run with, where that is not today's."""

    @property
    def numerics_version(self) -> int:
        """The version of skipray's numerics that the numbers follow from; it enters the id."""
        return numerics_version(self) if self.stored_numerics is None else self.stored_numerics

    @cached_property
    def trial_id(self) -> str:
        """First 32 hex digits of the sha256 over the canonical JSON of all that changes the numbers."""
        return hashlib.sha256(canonical_json(self.identity).encode()).hexdigest()[:32]

    def with_seed(self, seed: int) -> "TrialSpec":
        """The same trial with another seed. Its trial_id comes with it: of 100,000 trials of a few cells the canonical
        JSON, which differs in one number, would cost more than reading them back."""
        made = replace(self, seed=seed)
        vars(made)["cell"] = self.cell
        head, tail = self._around_seed
        vars(made)["trial_id"] = hashlib.sha256(f"{head}{int(seed)}{tail}".encode()).hexdigest()[:32]
        return made

    @cached_property
    def _around_seed(self) -> tuple[str, str]:
        """The identity's canonical JSON before and after the seed."""
        head, _, tail = canonical_json(self.identity | {"seed": _SEED_PLACE}).partition(f'"{_SEED_PLACE}"')
        return head, tail

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "numerics_version": self.numerics_version,
            "dataset": hashed_fields(self.dataset) | {"fingerprint": self.fingerprint},
            "model": hashed_fields(self.model),
            "recipe": hashed_fields(self.recipe),
            "seed": self.seed,
            "threads": self.resources.threads,
            "device": self.resources.device,
            "source_hashes": dict(self.source_hashes),
        }

    @cached_property
    def cell(self) -> Cell:
        """The factors that this trial's network has, with their values. The seeds of a cell share the object."""
        own = tuple((name, self.factor(name)) for name in self.factors if name not in MAIN_FACTORS and self._has(name))
        family = self.family or short_name(self.model.architecture)
        return Cell(Group(self.model.architecture, own, family), self.model.depth)

    def _has(self, name: str) -> bool:
        """A field of the model is None where the family has no such thing, and momentum where the optimizer is not SGD;
        of the rest of the recipe None is a choice, such as no clipping."""
        if name in OF_SGD:
            return self.recipe.momentum is not None
        if name == DATASET or name in FIELDS:
            return True
        return name in Recipe.model_fields or self._field(name) is not None

    def _field(self, name: str) -> Any:
        if name == DATASET:
            return self.data or self.dataset.name
        if is_factor(name):
            return value_of(self.dataset, name)
        if name.startswith(OPTION):
            return self.model.options.get(name.removeprefix(OPTION))
        return getattr(self.recipe if name in Recipe.model_fields else self.model, name)

    def factor(self, name: str) -> Scalar:
        """The value of a field by its bare name, as a sweep's factor would have it; None of what the network lacks."""
        rules = self.recipe.rules | self.model.rules
        found = rules[name] if name in rules else self._field(name)
        value: Scalar = as_text(UNWRITTEN.get(name) if found is None else found)
        return value

    @property
    def label(self) -> str:
        """The run's name, such as `plainnet-d056-s02`; further factors follow in the file's order."""
        parts = [self.cell.group.family, f"d{self.model.depth:03d}", f"s{self.seed:02d}"]
        if self.phase == "tune":
            parts.append("tune" if self.point is None else f"p{self.point:02d}")
        elif self.setting == "tuned":
            parts.append("tuned")
        return "-".join([*parts, *self.cell.group.settings])

    def flat(self) -> dict[str, str | int | float | bool]:
        """Dotted names to scalars, absent fields left out: the MLflow params."""
        out: dict[str, str | int | float | bool] = {}
        measures_nothing = self.probe.preset == "none"
        for part in ("dataset", "model", "recipe", "resources", "probe"):
            for key, value in getattr(self, part).model_dump().items():
                if value is None or value == {} or (part == "probe" and measures_nothing and key != "preset"):
                    continue
                out[f"{part}.{key}"] = value if isinstance(value, str | int | float | bool) else json.dumps(value)
        out["dataset.fingerprint"] = self.fingerprint
        out["seed"] = self.seed
        return out


def stored_trial(trial_id: str, numerics: int | None = None, **fields: Any) -> TrialSpec:
    """A trial that was read back, known by the id that it was recorded with: today's rules need not give the same.

    Args:
        numerics: the version of skipray's numerics that it was run with, where that is known.
    """
    made = TrialSpec(**fields)
    if numerics not in (None, made.numerics_version):
        made = replace(made, stored_numerics=numerics)
    vars(made)["trial_id"] = trial_id
    return made


_SEED_PLACE = "seed-of-0f2d8c1e6b7a4953"
"""Stands for the seed while an identity is taken apart; no name or option reads like this."""
