"""Data sets as a factor of a sweep: which cells there are, what they are called, and what is refused."""

import json
from pathlib import Path

import pandas as pd
import pytest

from skipray.analysis.score import score_of
from skipray.analysis.trained import BAR, definitions, judged
from skipray.datasets import digits
from skipray.planning.estimate import train_samples
from skipray.spec import SpecError, SweepSpec, load_sweep, sweep_of
from skipray.spec.manifest import manifest_of, read_manifest
from skipray.spec.stored import missing_code, selected, united

NOISE = {"name": "gaussian", "options": {"features": 16, "samples": 400, "classes": 4}}


def fields(**changes: object) -> dict[str, object]:
    model = {"kind": "mlp", "width": 8, "normalization": "none", "initialisation": "he_normal", "activation": "relu"}
    recipe = {"epochs": 1, "batch_size": 64, "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0}
    return {
        "name": "two",
        "question": "Is there one limit?",
        "model": model | {"residual_scale": 1},
        "recipe": recipe | {"schedule": "constant", "augmentation": "none"},
        "factors": {"architecture": ["plainnet", "resnet"], "depth": [4, 8]},
        "seeds": [0, 1],
    } | changes


def over(*data: object, **changes: object) -> SweepSpec:
    """A sweep over these data sets."""
    factors = {"architecture": ["plainnet", "resnet"], "depth": [4, 8], "dataset": list(data)}
    return sweep_of(fields(factors=factors, **changes))


def refused(**changes: object) -> str:
    with pytest.raises(SpecError) as caught:
        sweep_of(fields(**changes))
    return str(caught.value)


def test_trial_ids_are_those_of_one_sweep_for_each_data_set() -> None:
    both = over("digits", NOISE)
    alone = [sweep_of(fields(dataset=data)) for data in ({"name": "digits"}, NOISE)]
    assert {t.trial_id for t in both.trials()} == {t.trial_id for sweep in alone for t in sweep.trials()}
    assert len({c.fingerprint for c in both.data_cells}) == 2
    names = ["digits", "gaussian"]
    assert [g.values["dataset"] for g in both.groups] == names * 2
    assert both.cells[0].label == "plainnet-d004-s00-dataset=digits"


def test_a_list_in_the_place_of_a_data_set_is_the_factor(tmp_path: Path) -> None:
    listed = sweep_of(fields(dataset=["digits", NOISE]))
    assert [t.trial_id for t in listed.trials()] == [t.trial_id for t in over("digits", NOISE).trials()]
    file = tmp_path / "two.yaml"
    file.write_text(json.dumps(fields(dataset=["digits", "digitz"]), indent=1))
    line = 1 + next(i for i, text in enumerate(file.read_text().splitlines()) if "digitz" in text)
    with pytest.raises(SpecError, match=rf"two\.yaml:{line}: factors\.dataset\.1: found 'digitz' \(did you mean dig"):
        load_sweep(file)
    file.write_text(json.dumps(fields(dataset=["digits", NOISE])))
    few = load_sweep(file, ["dataset.train_samples=100"])
    assert {c.dataset.train_samples for c in few.cells} == {100}
    assert few.where_data(few.data_cells[1]) == f"{file}:1"


def test_what_may_vary_of_a_data_set_is_a_factor() -> None:
    factors = {
        "architecture": ["plainnet"],
        "depth": [4],
        "train_samples": [100, 200],
        "dataset.options.separation": [0, 1],
    }
    made = sweep_of(fields(dataset={"name": "gaussian"}, factors=factors | {"dataset.options.separation": [0.5, 1.5]}))
    assert [c.cell.label for c in made.cells][:2] == [
        "plainnet depth 4 train_samples=100 dataset.options.separation=0.5",
        "plainnet depth 4 train_samples=100 dataset.options.separation=1.5",
    ]
    assert {(c.dataset.train_samples, c.dataset.options["separation"]) for c in made.cells} == {
        (n, apart) for n in (100, 200) for apart in (0.5, 1.5)
    }


def test_rows_name_data_sets() -> None:
    dropped = over("digits", NOISE, exclude=[{"dataset": "gaussian", "depth": 8}])
    assert [c.model.depth for c in dropped.cells if c.dataset.name == "gaussian"] == [4, 4]
    added = over("digits", include=[{"dataset": NOISE, "architecture": "resnet", "depth": 14}])
    assert added.cells[-1].cell.label == "resnet depth 14 dataset=gaussian"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, "dataset: found no name; allowed: a data set's name (in dataset or as the factor dataset)"),
        (
            {"dataset": {"name": "digits", "train_sample": 1}},
            "dataset.train_sample: found an unknown key (did you mean train_samples",
        ),
        ({"dataset": ["digits", {"name": "digits", "train": 1}]}, "factors.dataset.1.train: found an unknown key"),
        ({"dataset": ["digits", "digits"]}, "factors.dataset.1: found 'digits' twice"),
        ({"dataset": ["digits", {"name": "digits"}]}, "found the cell {architecture: plainnet, depth: 4, dataset: {'n"),
        ({"dataset": ["digits", 3]}, "factors.dataset.1: found 3; allowed: cifar10, "),
        ({"dataset": ["digits", {"train_samples": 9}]}, "factors.dataset.1: found no name"),
        ({"dataset": ["digits", {"name": "gaussian", "options": {"noize": 1}}]}, "factors.dataset.1: "),
        (
            {
                "dataset": {"name": "digits"},
                "factors": {"dataset": ["digits"], "architecture": ["resnet"], "depth": [4]},
            },
            "dataset.name: found a value beside the factor dataset; allowed: one of the two",
        ),
        (
            {
                "dataset": {"name": "digits"},
                "factors": {"fingerprint": ["a"], "architecture": ["resnet"], "depth": [4]},
            },
            "factors.fingerprint: found an unknown factor",
        ),
        ({"dataset": ["digits", None]}, "factors.dataset.1: found null; allowed: cifar10, "),
        (
            {"dataset": ["digits", {"name": "digits", "options": {"a": 1}}]},
            "factors.dataset.1: found options of digits",
        ),
        (
            {"dataset": [{"name": "digits", "train_samples": 1286}, NOISE]},
            "factors.dataset.0.train_samples: found 1286; allowed for digits: at most 1285, which validation_fraction "
            "0.1 leaves of its 1415",
        ),
        (
            {"dataset": {"name": "digits", "fingerprint": "abc"}},
            "dataset.fingerprint: found 'abc', which is not that of digits; allowed: left out, or e7b9a1b960aaf3",
        ),
        (
            {"dataset": ["digits", NOISE | {"fingerprint": "abc"}]},
            "factors.dataset.1.fingerprint: found 'abc', which is not that of gaussian; allowed: left out, or 7bd004ca",
        ),
        ({"dataset": ["digits"], "include": [{"dataset.name": "digits", "dataset": NOISE}]}, "found dataset under two"),
        ({"dataset": ["digits", "sorting"]}, "found data of token numbers; allowed for plainnet: numbers"),
    ],
)
def test_mistakes_are_named_where_they_stand(changes: dict[str, object], found: str) -> None:
    assert found in refused(**changes)


@pytest.mark.parametrize(
    ("data", "factors", "found"),
    [
        (NOISE, {"train_samples": [90, 361]}, "factors.train_samples.1: found 361; allowed for gaussian: at most 360"),
        (
            NOISE,
            {"train_samples": [90, 205], "validation_fraction": [0.1, 0.49]},
            "train_samples.1: found 205; allowed",
        ),
        (
            NOISE,
            {"dataset.options.classes": [2, 4]},
            "factors.dataset.options.classes: found a factor of what the data",
        ),
        ({}, {"dataset": [NOISE], "dataset.options.classes": [2, 4]}, "found a factor of what the data set is told"),
        ({}, {"dataset": [NOISE | {"train_samples": 9}], "train_samples": [9, 99]}, "factors.train_samples: found a"),
        ({"options": {"a": 1}}, {"dataset": [NOISE | {"options": "b"}]}, "factors.dataset.0.options: found 'b'"),
        (NOISE, {"train_samples": [9], "dataset.train_samples": [9]}, "found train_samples under two names"),
        (NOISE, {"dataset.options": [{}]}, "factors.dataset.options: found an unknown factor"),
        (NOISE, {"model.batch_size": [8, 9]}, "factors.model.batch_size: found an unknown factor"),
    ],
)
def test_what_is_said_twice_or_of_another_section_is_refused(
    data: dict[str, object], factors: dict[str, object], found: str
) -> None:
    both = {"architecture": ["plainnet", "resnet"], "depth": [4, 8]} | factors
    assert found in refused(dataset=data, factors=both)


def test_a_factor_may_ask_for_all_training_samples_that_validation_leaves() -> None:
    factors = {"architecture": ["plainnet"], "depth": [4]}
    for data, most in ((NOISE, 360), ({"name": "digits"}, 1285)):
        made = sweep_of(fields(dataset=data, factors=factors | {"train_samples": [9, most]}))
        assert {train_samples(cell) for cell in made.cells} == {9, most}


def test_the_pinned_fingerprint_may_be_written() -> None:
    written = sweep_of(fields(dataset={"name": "digits", "fingerprint": digits.FINGERPRINT}))
    assert written.cells[0].fingerprint == digits.FINGERPRINT


def test_a_bound_that_data_sets_share_may_be_above_one_of_them() -> None:
    sweep = over("digits", NOISE, dataset={"train_samples": 1000})
    assert {c.dataset.train_samples for c in sweep.cells} == {1000}


def test_labels_that_no_score_judges_alike_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,y\n" + "\n".join(f"{i},{i / 7}" for i in range(40)))
    values = {"name": "table", "options": {"address": str(table), "target": "y", "labels": "values"}}
    recipe = fields()["recipe"] | {"loss": "mse"}  # type: ignore[operator]
    assert "found no fingerprint" in refused(dataset=[values], recipe=recipe)
    pinned = values | {"fingerprint": "0" * 64}
    said = refused(dataset=["digits", pinned], recipe=recipe)
    assert "found labels that are values (table) beside classes (digits)" in said


def test_a_store_understands_a_sweep_over_data_sets() -> None:
    first, later = over("digits", NOISE), over("digits", {"name": "gaussian", "options": {"features": 4}})
    told = read_manifest(json.dumps(manifest_of(first, first.trials(), {}, "x")))
    assert [(t.trial_id, t.label, t.fingerprint) for t in told.sweep.trials()] == [
        (t.trial_id, t.label, t.fingerprint) for t in first.trials()
    ]
    more = read_manifest(json.dumps(manifest_of(later, later.trials(), {}, "x")))
    stored = united([told, more])
    assert stored is not None
    assert not stored.others, "data sets are a factor: those of an earlier launch belong to the sweep"
    assert {t.trial_id for t in stored.sweep.trials()} == {t.trial_id for s in (first, later) for t in s.trials()}
    called = {"digits", "gaussian(classes=4,features=16,samples=400)", "gaussian(features=4)"}
    assert {g.values["dataset"] for g in stored.sweep.groups} == called, "beside each other"
    again = united([read_manifest(json.dumps(manifest_of(stored.sweep, stored.trials, {}, "x")))])
    assert again is not None
    assert [t.label for t in again.trials] == [t.label for t in stored.trials]
    asked = {"factors": {"dataset": ["digits"], "depth": [4]}, "seeds": [0]}
    found = selected(stored, asked)
    assert found is not None
    assert {t.label for t in found.trials()} == {"plainnet-d004-s00-dataset=digits", "resnet-d004-s00-dataset=digits"}
    assert missing_code({"factors": {"dataset": ["digits", {"name": "gone:data"}]}}) == ["gone:data"]


def test_a_manifest_of_one_data_set_is_read_by_an_earlier_version() -> None:
    one, two = sweep_of(fields(dataset={"name": "digits"})), over("digits", NOISE)
    formats = [manifest_of(sweep, sweep.trials(), {}, "x")["format"] for sweep in (one, two)]
    assert formats == [1, 2]


def test_chance_and_bar_are_each_data_sets_own() -> None:
    sweep = over("digits", NOISE)
    accuracy = {("digits", "resnet"): 0.9, ("digits", "plainnet"): 0.4, ("gaussian", "resnet"): 0.5}
    rows = [
        t.cell.values
        | {k: v for k, v in t.flat().items() if k.startswith("dataset.")}
        | {"trial_id": t.trial_id, "seed": t.seed, "outcome": "trained", "train.loss": 1.0}
        | {"train.accuracy": accuracy.get((t.dataset.name, t.model.architecture), 0.4)}
        for t in sweep.trials()
    ]
    trials = pd.DataFrame(rows)
    chance = score_of(sweep, trials).chance
    assert set(zip(trials["dataset.name"], chance, strict=True)) == {("digits", 0.1), ("gaussian", 0.25)}
    found = judged(sweep, trials, [t.cell.group for t in sweep.trials()])
    of_data = found.groupby("dataset.name")[BAR].unique().map(list)
    assert of_data["digits"] == pytest.approx([0.5])
    assert of_data["gaussian"] == pytest.approx([0.375])
    fits = found.groupby(["dataset.name", "architecture"])["outcome"].unique().map(list)
    assert fits["digits", "plainnet"] == ["untrained"], "0.4 is below half-way on the digits"
    assert fits["gaussian", "plainnet"] == ["trained"], "and above it where a fourth is chance"
    assert "0.5 on digits, 0.375 on gaussian," in definitions(sweep, found)[0].sentence
