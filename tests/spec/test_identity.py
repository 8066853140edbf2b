"""trial_ids of shipped sweeps never move: a result found under an id today is found under it after an upgrade."""

import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import create_model

from skipray.extension import catalog
from skipray.spec import Recipe, SweepSpec, TrialSpec, load_sweep
from skipray.spec import fields as spec_fields
from skipray.spec.identity import FIRST_FIELDS, hashed_fields
from skipray.spec.trial import stored_trial

ROOT = Path(__file__).parents[2]
PINNED = json.loads((ROOT / "tests" / "golden" / "trial_ids.json").read_text())
"""Sweep -> number of trials, the first and last id, and a digest over all of them, as commit 81fe7fb made them,
of a later sweep as the commit that pinned it did, and those of huang2016 with stochastic depth as version 3 of the
numbers has them."""


def summary(sweep: SweepSpec) -> dict[str, object]:
    ids = [t.trial_id for t in sweep.trials()]
    return {
        "trials": len(ids),
        "first": ids[0],
        "last": ids[-1],
        "all": hashlib.sha256("".join(ids).encode()).hexdigest(),
    }


@pytest.mark.parametrize("name", sorted(PINNED))
def test_ids_of_shipped_sweeps_are_those_of_the_first_release(name: str) -> None:
    assert summary(load_sweep(ROOT / "sweeps" / f"{name}.yaml")) == PINNED[name]


def test_an_added_field_at_its_default_changes_no_id() -> None:
    class Wider(Recipe):
        later: str = "sgd"

    written = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0}
    written |= {"schedule": "constant", "augmentation": "none"}
    assert hashed_fields(Wider(**written)) == hashed_fields(Recipe(**written))
    assert hashed_fields(Wider(**written, later="adamw")) == hashed_fields(Recipe(**written)) | {"later": "adamw"}


def test_every_shipped_sweep_is_pinned() -> None:
    assert set(PINNED) == {path.stem for path in (ROOT / "sweeps").glob("*.yaml")}


def test_a_field_on_top_of_each_part_leaves_a_shipped_sweeps_ids() -> None:
    trial = load_sweep(ROOT / "sweeps" / "quickstart.yaml").trials()[0]
    for part in ("dataset", "model", "recipe"):
        kind = type(getattr(trial, part))
        wider = create_model(f"Wider{kind.__name__}", __base__=kind, later=(str, "as before"))
        values = {name: getattr(getattr(trial, part), name) for name in kind.model_fields}
        assert replace(trial, **{part: wider.model_construct(**values)}).trial_id == trial.trial_id
        assert replace(trial, **{part: wider.model_construct(**values, later="new")}).trial_id != trial.trial_id


@pytest.mark.parametrize("part", sorted(FIRST_FIELDS))
def test_fields_that_came_later_are_optional(part: str) -> None:
    fields = getattr(spec_fields, part).model_fields
    assert {name for name, info in fields.items() if info.is_required()} <= FIRST_FIELDS[part]


def test_a_revision_moves_the_ids_of_the_trials_that_it_concerns_alone() -> None:
    """The numbers of optimizers of one's own are other ones since version 2; all other results stay found."""
    trial = load_sweep(ROOT / "sweeps" / "quickstart.yaml").trials()[0]
    own = trial.recipe.model_copy(update={"optimizer": {"name": "optimizers:Lion"}})
    moved = replace(trial, recipe=own)
    assert (trial.numerics_version, moved.numerics_version) == (1, 2)
    assert replace(trial, recipe=trial.recipe.model_copy(update={"optimizer": {"name": "adamw"}})).numerics_version == 1
    before = stored_trial("of-before", numerics=1, **_fields(moved))
    assert (before.trial_id, before.numerics_version, before.identity["numerics_version"]) == ("of-before", 1, 1)
    assert stored_trial("of-today", numerics=2, **_fields(moved)).stored_numerics is None


@pytest.mark.parametrize(
    ("changes", "version"),
    [({"dropout": 0.1}, 3), ({"stochastic_depth": 0.5}, 3), ({"architecture": "nets:Mine"}, 6)],
    ids=str,
)
def test_networks_that_were_measured_otherwise_have_another_version(changes: dict[str, Any], version: int) -> None:
    trial = load_sweep(ROOT / "sweeps" / "quickstart.yaml").trials()[0]
    assert replace(trial, model=trial.model.model_copy(update=changes)).numerics_version == version


@pytest.mark.parametrize(
    ("changes", "version"),
    [
        ({}, 1),
        ({"weight_decay_on": "weights"}, 6),
        ({"optimizer": {"name": "muon"}}, 6),
        ({"optimizer": {"name": "adamw"}}, 1),
    ],
)
def test_positions_are_spared_since_version_6(changes: dict[str, Any], version: int) -> None:
    trial = load_sweep(ROOT / "sweeps" / "xiong2020.yaml").trials()[0]
    assert replace(trial, recipe=trial.recipe.model_copy(update=changes)).numerics_version == version


@pytest.mark.parametrize(
    ("name", "changes", "version"),
    [
        ("positions", {}, 6),
        ("values", {"loss": {"name": "mse"}}, 6),
        ("digits", {"loss": {"name": "mse"}}, 6),
        ("digits", {"loss": {"name": "cross_entropy", "label_smoothing": 0.1}}, 1),
        ("sorting", {}, 6),
        ("parity", {}, 6),
        ("digits", {"gradient_accumulation": 2}, 1),
        ("not_on_this_machine:data", {"gradient_accumulation": 2}, 1),
    ],
)
def test_labels_by_position_and_tokens_have_versions(
    name: str, changes: dict[str, Any], version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`positions` is a data set of numbers with a label for each position, `values` one of regression."""
    made = {task: SimpleNamespace(INPUT_SHAPE=(4, 3), CLASSES=2, TASK=task) for task in ("positions", "values")}
    find = catalog.find
    monkeypatch.setattr(catalog, "find", lambda kind, name: made[name] if name in made else find(kind, name))
    trial = load_sweep(ROOT / "sweeps" / "quickstart.yaml").trials()[0]
    dataset = trial.dataset.model_copy(update={"name": name})
    moved = replace(trial, dataset=dataset, recipe=trial.recipe.model_copy(update=changes))
    assert moved.numerics_version == version


def _fields(trial: TrialSpec) -> dict[str, Any]:
    return {field.name: getattr(trial, field.name) for field in fields(trial) if field.name != "stored_numerics"}
