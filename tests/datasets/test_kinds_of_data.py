"""Rows of features, tokens, regression, tables; what is refused, and how it is said."""

import re
import sys
import types

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load as load_tensors

from skipray import architectures, datasets
from skipray.datasets import DataCorrupt, Raw, fingerprint_of, labels_are, open_dataset, shape_and_classes
from skipray.datasets.preparing.splits import moments
from skipray.extension import catalog
from skipray.spec import DatasetSpec, SpecError, TokenShape, load_sweep
from skipray.trial import run_trial

RANDOM = np.random.RandomState(0)
SWEEP = """\
name: own
question: How deep?
dataset: DATASET
model: {kind: mlp, width: 8, normalization: layer, initialisation: he_normal, activation: relu, MODEL}
recipe: {epochs: 2, batch_size: 20, learning_rate: 0.01, weight_decay: 0, optimizer: adamw, schedule: constant, RECIPE}
factors: {architecture: [plainnet], depth: [4]}
seeds: [0]
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path / "cache"))


def load(folder, dataset, *overrides, model="residual_scale: 1", recipe="augmentation: none"):
    path = folder / "own.yaml"
    path.write_text(SWEEP.replace("DATASET", dataset).replace("MODEL", model).replace("RECIPE", recipe))
    return load_sweep(path, overrides)


@pytest.fixture
def mine(monkeypatch):
    """A maker of `mine:data`."""

    def make(x, y, **facts):
        raw = Raw(x[:60], y[:60], x[60:], y[60:])
        entry = types.SimpleNamespace(INPUT_SHAPE=x.shape[1:], CLASSES=3, TRAIN_SAMPLES=60, load=lambda d, r: raw)
        vars(entry).update(facts)
        module = types.ModuleType("mine")
        module.data = entry
        monkeypatch.setitem(sys.modules, "mine", module)
        return DatasetSpec(name="mine:data", fingerprint=fingerprint_of(raw))

    return make


FEATURES = (RANDOM.randn(80, 5) * [1, 10, 100, 1, 1] + 3).astype(np.float32)
CLASSES = np.arange(80) % 3


def test_features_are_standardised_each_by_itself_or_not_at_all(mine):
    dataset = mine(FEATURES, CLASSES)
    splits = open_dataset(dataset, dataset.fingerprint)
    x = splits.normalise(splits.train_x)
    assert torch.allclose(x.mean(0), torch.zeros(5), atol=1e-5)
    assert torch.allclose(x.std(0, unbiased=False), torch.ones(5), atol=1e-5)
    plain = dataset.model_copy(update={"standardise": "none"})
    splits = open_dataset(plain, dataset.fingerprint)
    assert torch.equal(splits.normalise(splits.train_x), splits.train_x)


def test_images_by_feature(mine):
    dataset = mine((RANDOM.rand(80, 1, 2, 3) * 255).astype(np.uint8), CLASSES)
    by_feature = dataset.model_copy(update={"standardise": "per_feature"})
    splits = open_dataset(by_feature, dataset.fingerprint)
    assert splits.mean.shape == (1, 2, 3)
    assert torch.allclose(splits.normalise(splits.train_x).mean(0), torch.zeros(1, 2, 3), atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "facts", "said"),
    [
        (RANDOM.rand(80).astype(np.float32), {}, "train labels of float32 .* allowed: class numbers from 0 to 2"),
        (np.array(["cat", "dog"] * 40), {}, r"labels of <U3 \('cat', 'dog', 'cat', ...\); allowed: class numbers"),
        (
            np.full(80, np.nan, np.float32),
            {"TASK": "values", "OUTPUTS": 1, "CLASSES": None},
            "labels that are not finite",
        ),
        (CLASSES + 1, {}, "labels outside 0 to 2, or none: from 1 to 3"),
        (CLASSES, {"TRAIN_SAMPLES": 50}, "found 60 training samples; TRAIN_SAMPLES says 50"),
        (CLASSES, {"INPUT_SHAPE": (4,)}, r"found train rows of \(5,\); allowed: \(4,\)"),
        (np.stack([CLASSES] * 2, 1), {}, r"found train labels of shape \(60, 2\); allowed for classes: \(samples,\)"),
        (CLASSES, {"INPUT_SHAPE": TokenShape(5, 9)}, "samples of float32; allowed: int64 of token numbers"),
    ],
)
def test_arrays_that_are_not_what_they_should_be(mine, labels, facts, said):
    try:
        dataset = mine(FEATURES, labels, **facts)
    except ValueError:
        dataset = DatasetSpec(name="mine:data", fingerprint="")
    fingerprint = dataset.fingerprint
    with pytest.raises((DataCorrupt, ValueError), match=said):
        datasets.prepare(dataset, fingerprint)


def test_lists_for_tuples_are_refused_before_anything_is_read(mine, tmp_path):
    mine(FEATURES, CLASSES, INPUT_SHAPE=[5])
    with pytest.raises(SpecError, match=r"found the sample shape \[5\]; allowed: a tuple of whole numbers"):
        load(tmp_path, "{name: 'mine:data', fingerprint: x}")


def test_the_refusal_prints_the_fingerprint(mine, tmp_path):
    dataset = mine(FEATURES, CLASSES)
    with pytest.raises(SpecError, match=f"found no fingerprint; .* fingerprint: {dataset.fingerprint}"):
        load(tmp_path, "{name: 'mine:data'}")


def test_a_regression_on_a_table(tmp_path, monkeypatch):
    monkeypatch.setenv("SKIPRAY_DATA", str(tmp_path))
    x = RANDOM.randn(200, 3)
    pd.DataFrame({"a": x[:, 0], "b": 100 * x[:, 1], "c": x[:, 2], "y": x @ [1, 2, -1]}).to_csv(tmp_path / "t.csv")
    options = "{address: t.csv, target: y, labels: values, leave_out: 'Unnamed: 0'}"
    with pytest.raises(SpecError) as caught:
        load(tmp_path, f"{{name: table, options: {options}}}")
    fingerprint = str(caught.value).rpartition("fingerprint: ")[2]
    text = f"{{name: table, fingerprint: {fingerprint}, options: {options}}}"
    with pytest.raises(SpecError, match="found cross_entropy; allowed for table, whose labels are values: mse"):
        load(tmp_path, text)
    with pytest.raises(SpecError, match=r"probe.hessian: found true; allowed for labels that are values: left out"):
        load(tmp_path, text, "recipe.loss=mse", "probe.hessian=true")
    said = r"probe.metrics.1: found margin, which needs labels that are classes, and labels that are values; allowed"
    with pytest.raises(SpecError, match=said):
        load(tmp_path, text, "recipe.loss=mse", "probe.metrics=[flatness, margin]")
    (trial,) = load(tmp_path, text, "recipe.loss=mse", "recipe.epochs=40", "recipe.learning_rate=0.02").trials()
    record = run_trial(trial)
    last = record.epochs[-1].metrics
    assert record.outcome == "trained"
    assert "train.accuracy" not in last
    assert last["train.loss"] < 1 < record.epochs[0].metrics["train.loss"]
    assert last["gap.loss"] == pytest.approx(last["test.loss"] - last["train.loss"])
    (idle,) = load(tmp_path, text, "recipe.loss=mse", "recipe.epochs=0").trials()
    assert run_trial(idle).outcome == "untrained"


def test_what_needs_no_classes_is_measured_of_values_and_positions(tmp_path, mine):
    """Against the weights that were left and their definition; what needs a class is absent, and that is said."""
    values = (FEATURES[:, :2] @ [[1, 2], [0, 1]] / 10).astype(np.float32)
    dataset = mine(FEATURES, values, TASK="values", OUTPUTS=2, CLASSES=None)
    text = f"{{name: 'mine:data', fingerprint: {dataset.fingerprint}}}"
    settings = ("recipe.loss=mse", "probe={preset: full, jacobian: true}", "tracking.save_weights=true")
    (trial,) = load(tmp_path, text, *settings).trials()
    record = run_trial(trial)
    last = record.epochs[-1].metrics
    shape, outputs = shape_and_classes(trial.dataset)
    network = architectures.build(trial.model, shape, outputs, seed=trial.seed)
    start = {name: p.detach().clone() for name, p in network.named_parameters()}
    network.load_state_dict({k.removeprefix("network/"): v for k, v in load_tensors(record.weights).items()})
    moved = sum(
        float((p.detach() - start[n]).double().square().sum()) for n, p in network.named_parameters() if p.ndim > 1
    )
    assert last["norm.distance"] == pytest.approx(moved**0.5, rel=1e-6)
    x = open_dataset(trial.dataset, trial.fingerprint).probe_batch(trial.probe.samples)[0]
    jacobian = torch.func.vmap(torch.func.jacrev(lambda one: network.eval()(one[None])[0]))(x)
    rms = jacobian.detach().double().square().sum((1, 2)).div(2).mean().sqrt()
    assert last["jacobian.rms"] == pytest.approx(float(rms), rel=1e-4)
    assert 0 <= last["flatness"] <= 1
    assert {"gradient_correlation", "cka.consecutive.median", "norm.log_path"} <= last.keys()
    assert not last.keys() & {"margin.q50", "nc1", "calibration_error", "train.accuracy"}
    absent = record.environment["absent"]
    assert absent.endswith(": labels are values")
    assert {"margin", "nc1", "calibration_error"} <= set(absent.partition(":")[0].split(", "))


TRANSFORMER = ("factors.architecture=[transformer]",)


def test_of_positions(tmp_path):
    text = "{name: sorting, options: {samples: 60, positions: 5}}"
    (trial,) = load(tmp_path, text, "probe.preset=full", *TRANSFORMER, model="options: {heads: 2}").trials()
    record = run_trial(trial)
    last = record.epochs[-1].metrics
    assert {"norm.distance", "flatness", "cka.consecutive.median", "train.accuracy"} <= last.keys()
    absent = dict(part.split(": ", 1)[::-1] for part in record.environment["absent"].split("; "))
    assert {"margin", "nc1"} <= set(absent["each position has a label"].split(", "))
    with pytest.raises(SpecError, match=r"probe.jacobian: found true; allowed for labels that are positions: left out"):
        load(tmp_path, text, "probe.jacobian=true", *TRANSFORMER, model="options: {heads: 2}")
    with pytest.raises(SpecError, match="found margin, which needs labels that are classes"):
        load(tmp_path, text, "probe.metrics=[margin]", *TRANSFORMER, model="options: {heads: 2}")


def test_a_metric_of_classes_is_refused_only_where_no_data_set_has_classes(tmp_path):
    both = "[{name: parity, options: {samples: 60}}, {name: sorting, options: {samples: 60}}]"
    found = load(tmp_path, both, "probe.metrics=[margin]", *TRANSFORMER, model="options: {heads: 2}")
    assert len(found.cells) == 2


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        (lambda: (FEATURES, CLASSES), "load gives: found a tuple; allowed: skipray.datasets.Raw"),
        (
            lambda: Raw(FEATURES.astype(float), CLASSES, FEATURES, CLASSES),
            r"train rows of float64; .*astype\(np.float32",
        ),
    ],
)
def test_what_load_gives_wrongly_is_told(tmp_path, mine, gives, said):
    dataset = mine(FEATURES, CLASSES, load=lambda d, r: gives())
    with pytest.raises(SpecError, match=said):
        load(tmp_path, "{name: 'mine:data'}")
    with pytest.raises((DataCorrupt, ValueError), match=said.removeprefix("load gives: found ")):
        datasets.prepare(dataset, dataset.fingerprint)


def test_the_first_value_that_is_not_finite_is_named(mine):
    odd = FEATURES.copy()
    odd[7, 2], odd[9, 0] = np.inf, np.nan
    dataset = mine(odd, CLASSES)
    with pytest.raises(
        DataCorrupt, match=r"train rows that are not finite, in 2 places, first inf at \[7, 2\]; allowed"
    ):
        datasets.prepare(dataset, dataset.fingerprint)


def test_a_target_in_units_of_its_deviation(tmp_path, monkeypatch):
    y = 150 + 70 * RANDOM.randn(100)
    pd.DataFrame({"a": RANDOM.randn(100), "y": y}).to_csv(tmp_path / "t.csv", index=False)
    options = {"address": "t.csv", "target": "y", "labels": "values"}
    load_table = datasets.catalog.find("datasets", "table").load
    plain = load_table(DatasetSpec(name="table", options=options), tmp_path)
    scaled = load_table(DatasetSpec(name="table", options=options | {"standardise_target": True}), tmp_path)
    mean, deviation = plain.train_labels.mean(), plain.train_labels.std()
    assert scaled.train_labels == pytest.approx((plain.train_labels - mean) / deviation, abs=1e-5)
    assert scaled.test_labels == pytest.approx((plain.test_labels - mean) / deviation, abs=1e-5)
    found = datasets.catalog.find("datasets", "table")
    monkeypatch.chdir(tmp_path)
    beside = found.load(DatasetSpec(name="table", options=options), tmp_path / "elsewhere")
    assert np.array_equal(beside.train_images, plain.train_images), "in the working directory"
    for wrong in ({"standardise_target": "yes"}, {"standardise_target": True, "labels": "classes"}):
        with pytest.raises(ValueError, match=r"found standardise_target .*; allowed: true, of labels that are values"):
            found.check(DatasetSpec(name="table", options=options | wrong))


def test_a_table_with_classes_and_what_it_refuses(tmp_path, monkeypatch):
    monkeypatch.setenv("SKIPRAY_DATA", str(tmp_path))
    frame = pd.DataFrame({"a": RANDOM.randn(60), "kind": ["x", "y", "z"] * 20, "note": ["text"] * 60})
    frame.to_parquet(tmp_path / "t.parquet")

    def table(**options):
        return DatasetSpec(name="table", options={"address": "t.parquet", "target": "kind"} | options)

    assert shape_and_classes(table(leave_out="note")) == ((1,), 3)
    raw = datasets.catalog.find("datasets", "table").load(table(leave_out="note"), tmp_path)
    assert len(raw.train_labels) == 48
    assert set(raw.train_labels) == {0, 1, 2}
    for options, said in (
        ({}, "found columns that are no numbers: note; allowed: numbers; leave_out takes"),
        ({"target": "b"}, "found no column 'b'; allowed: a, kind, note"),
        ({"leave_out": "none"}, "found no column 'none' to leave out"),
    ):
        with pytest.raises(ValueError, match=said):
            shape_and_classes(table(**options))
    said = shape_and_classes(table(address="nowhere.csv", features=7, classes=4))
    assert said == ((7,), 4)


ROWS = [f"{i / 7},{i % 5},{i % 2}" for i in range(20)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a,y,y", *ROWS], "more than one column y"),
        (["a,y", *ROWS], "rows of more values than there are names of columns"),
        (["a,b,y", *(f"{row}," for row in ROWS)], "rows of more values than there are names of columns"),
        (["a,b,y"], "no rows"),
        ([], "t.csv: found no table that can be read: No columns"),
        (["\xff"], "t.csv: found no table that can be read: .*can't decode"),
        ([",b,y", *ROWS], "found a column without a name, .*; allowed: a name, or leave_out: 'Unnamed: 0'"),
        (
            ["a,b,y", *ROWS, "1,2,NA"],
            r"empty places in y \(1 in y, the first in row 21\); .*; NA, nan",
        ),
        (["a,b,y", *ROWS, "inf,1,1"], "found numbers that float32 has not in a"),
        (["a,b,y", *ROWS, "1e39,1,1"], "found numbers that float32 has not in a"),
        (["a,b,y", *(f"{1e9 + i},1,{i % 2}" for i in range(20))], r"cannot tell apart: a \(1000000000 to 1000000019\)"),
        (["a,b,y", *(f"{i},{i},1" for i in range(20))], "found one value of 'y' in all rows, 1; allowed: 2 classes"),
    ],
)
def test_a_table_that_would_be_read_otherwise_than_it_stands_there_is_refused(tmp_path, rows, said):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(rows), encoding="latin-1")
    with pytest.raises(ValueError, match=said):
        shape_and_classes(DatasetSpec(name="table", options={"address": str(path), "target": "y"}))
    if "leave_out" in said:
        options = {"address": str(path), "target": "y", "leave_out": "Unnamed: 0"}
        assert shape_and_classes(DatasetSpec(name="table", options=options)) == ((1,), 2)


@pytest.mark.parametrize("mean", [0, 0.1, 1000.1, 12345.678, -1e6])
@pytest.mark.parametrize("deviation", [0, 1e-9, 1e-3, 1, 1e30])
@pytest.mark.parametrize("how", ["per_feature", "per_channel"])
def test_deviations_of_any_size_are_those_of_the_numbers(mean, deviation, how):
    samples = (mean + deviation * np.random.default_rng(0).normal(size=(9000, 2, 1, 1))).astype(np.float32)
    exact = samples.astype(np.float64).std(0)
    found_mean, found = moments(samples, how)
    assert found.reshape(exact.shape) == pytest.approx(np.where(exact > 0, exact, 1), rel=1e-6)
    assert found_mean.reshape(exact.shape) == pytest.approx(samples.mean(0, dtype=np.float64), rel=1e-6)


@pytest.mark.parametrize("name", ["sorting", "copying", "parity"])
def test_sequence_tasks(name):
    dataset = DatasetSpec(name=name, options={"samples": 50})
    shape, classes = shape_and_classes(dataset)
    splits = open_dataset(dataset, datasets.catalog.find("datasets", name).FINGERPRINT)
    x, y = splits.train_x, splits.train_y
    assert x.dtype == torch.int64
    assert x.shape == (45, *shape)
    assert splits.normalise(x) is x
    if name == "sorting":
        assert torch.equal(y, x.sort(1).values)
    elif name == "copying":
        length = (shape[0] - 1) // 2
        assert torch.equal(y[:, length + 1 :], x[:, :length])
        assert bool((y[:, : length + 1] == -100).all())
    else:
        assert torch.equal(y, x.sum(1) % 2)
    assert int(y.max()) == classes - 1
    assert labels_are(dataset) == ("classes" if name == "parity" else "positions")


def test_a_network_of_ones_own_sorts(tmp_path, monkeypatch):
    (tmp_path / "sorters.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Sorter(nn.Module):\n"
        "    def __init__(self, shape, classes):\n"
        "        super().__init__()\n"
        "        self.embed = nn.Embedding(shape.vocabulary, 16)\n"
        "        self.mix = nn.Sequential(nn.Flatten(), nn.Linear(16 * shape[0], 64), nn.ReLU(), "
        "nn.Linear(64, shape[0] * classes))\n"
        "        self.shape = (shape[0], classes)\n"
        "    def forward(self, x):\n"
        "        return self.mix(self.embed(x)).unflatten(1, self.shape)\n"
        "class sorter:\n"
        "    @staticmethod\n"
        "    def build(model, input_shape, classes):\n"
        "        return Sorter(input_shape, classes)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    data = "{name: sorting, options: {positions: 3, symbols: 4, samples: 400}}"
    changes = ["factors.architecture=['sorters:sorter']", "recipe.epochs=15", "recipe.learning_rate=0.01"]
    (trial,) = load(tmp_path, data, *changes).trials()
    record = run_trial(trial)
    assert record.outcome == "trained"
    assert record.epochs[-1].metrics["test.accuracy"] > 0.7
    with pytest.raises(SpecError, match="found data of token numbers; allowed for plainnet: numbers"):
        load(tmp_path, data)


@pytest.mark.parametrize("name", ["parity", "sorting", "copying"])
def test_sequences_of_different_lengths(name):
    entry = catalog.find("datasets", name)
    longest = {"copying": "length"}.get(name, "positions")
    dataset = DatasetSpec(name=name, options={longest: 6, "shortest": 2, "samples": 300})
    splits = open_dataset(dataset, entry.FINGERPRINT)
    shape, _ = shape_and_classes(dataset)
    real, labels = splits.train_x != shape.padding, splits.train_y
    lengths = real.sum(1)
    assert torch.equal(real, torch.arange(shape[0]) < lengths[:, None]), "padding stands behind the end"
    longest_first, shortest = (13, 5) if name == "copying" else (6, 2)
    assert {int(n) for n in lengths} == set(range(shortest, longest_first + 1, 2 if name == "copying" else 1))
    for x, y, n in list(zip(splits.train_x, labels, lengths.tolist(), strict=True))[:40]:
        if name == "parity":
            assert int(y) == int(x[:n].sum()) % 2
        elif name == "sorting":
            assert torch.equal(y, torch.cat([x[:n].sort().values, torch.full((6 - n,), -100)]))
        else:
            half = n // 2
            assert x[half] == 8, "the mark"
            assert torch.equal(y[half + 1 : n], x[:half])
            assert (y[: half + 1] == -100).all()
            assert (y[n:] == -100).all()
    assert splits.labelled == int((labels >= 0).sum())
    with pytest.raises(ValueError, match="found shortest 9; allowed: 1 to 6"):
        entry.check(DatasetSpec(name=name, options={longest: 6, "shortest": 9}))


NAMES = ("token_similarity", "rank_one_distance", "attention_entropy")
TOKENS = RANDOM.randint(1, 9, (80, 5))
LENGTHS = np.arange(80) % 5 + 1


def padded_raw(**changes):
    arrays = {"train_images": TOKENS[:60], "train_labels": TOKENS[:60] % 3, "test_images": TOKENS[60:]}
    return Raw(**arrays | {"test_labels": TOKENS[60:] % 3} | changes)


@pytest.mark.parametrize("kind", ["lengths", "mask", "padding"])
def test_lengths_masks_and_paddings_numbers_say_the_same(mine, kind):
    real = np.arange(5) < LENGTHS[:, None]
    if kind == "padding":
        x = np.where(real, TOKENS, 0)
        raw = padded_raw(train_images=x[:60], test_images=x[60:])
    else:
        given = LENGTHS if kind == "lengths" else real
        raw = padded_raw(train_mask=given[:60], test_mask=given[60:])
    mine(TOKENS, CLASSES, INPUT_SHAPE=TokenShape(5, 9, padding=0), TASK="positions", load=lambda d, r: raw)
    dataset = DatasetSpec(name="mine:data", fingerprint=fingerprint_of(raw))
    splits = open_dataset(dataset, dataset.fingerprint)
    everything = torch.cat([splits.train_x, splits.validation_x])
    lengths = torch.cat([splits.train_x, splits.validation_x]).ne(0).sum(1)
    assert sorted(lengths.tolist()) == sorted(LENGTHS[:60].tolist())
    assert torch.equal(everything != 0, torch.arange(5) < lengths[:, None])
    assert torch.equal(splits.train_y == -100, splits.train_x == 0), "no label where there is no token"
    unmasked = fingerprint_of(padded_raw())
    assert (fingerprint_of(raw) == unmasked) is False, "the mask is part of what identifies the data"


def test_a_mask_may_have_holes_and_padding_may_stand_before(mine):
    """Positions keep their places: nothing is moved, and no label stands where there is no token."""
    real = np.random.default_rng(3).random(TOKENS.shape) < 0.6
    real[:30, 0], real[30:, -1] = False, True  # left padding, holes
    real[:, 2] = True  # no sequence is empty
    raw = padded_raw(train_mask=real[:60], test_mask=real[60:])
    mine(TOKENS, CLASSES, INPUT_SHAPE=TokenShape(5, 9, padding=0), TASK="positions", load=lambda d, r: raw)
    splits = open_dataset(DatasetSpec(name="mine:data", fingerprint=fingerprint_of(raw)), fingerprint_of(raw))
    assert torch.equal(splits.test_x, torch.from_numpy(np.where(real[60:], TOKENS[60:], 0)))
    assert torch.equal(splits.test_y == -100, splits.test_x == 0)
    assert torch.equal(splits.train_y == -100, splits.train_x == 0)


def test_a_mask_is_an_array():
    with pytest.raises(ValueError, match="found a train mask that is a list; allowed: a numpy array, or None"):
        padded_raw(train_mask=[True])


@pytest.mark.parametrize(
    ("shape", "changes", "said"),
    [
        (TokenShape(5, 9), {"train_mask": LENGTHS[:60]}, "found a mask; allowed: with a TokenShape that says its pad"),
        (TokenShape(5, 9, padding=0), {"train_mask": LENGTHS[:60] - 1}, "train lengths from 0 to 4; allowed: 1 to 5"),
        (TokenShape(5, 9, padding=0), {"train_mask": LENGTHS[:9]}, r"train mask of int64 \(9,\); allowed: booleans"),
        (TokenShape(5, 9, padding=0), {"train_images": TOKENS[:60] * 0}, "found 60 train sequences of padding alone"),
        (TokenShape(5, 9, padding=1), {"train_mask": LENGTHS[:60]}, "found the padding 1 inside train sequences"),
        (TokenShape(5, 9, padding=9), {}, "found the padding 9; allowed: 0 to 8"),
        (TokenShape(5, 9, padding="0"), {}, "found the padding '0'; allowed: 0 to 8"),
        (TokenShape(5, 9, padding=0.0), {}, "found the padding 0.0; allowed: 0 to 8"),
        (TokenShape(5, 9, padding=True), {}, "found the padding True; allowed: 0 to 8"),
        (TokenShape(5, 9.5, padding=0), {}, "found the vocabulary 9.5; allowed: a whole number from 1"),
    ],
)
def test_masks_that_cannot_be_are_refused(mine, shape, changes, said):
    raw = padded_raw(**changes)
    mine(TOKENS, CLASSES, INPUT_SHAPE=shape, TASK="positions", load=lambda d, r: raw)
    with pytest.raises((DataCorrupt, ValueError), match=said):
        datasets.prepare(DatasetSpec(name="mine:data"), fingerprint_of(raw))


@pytest.mark.parametrize(
    "task", ["{name: sorting, options: {symbols: 4, OPTIONS}}", "{name: parity, options: {OPTIONS}}"]
)
def test_a_transformer_learns_padded_sequences(tmp_path, task):
    """The whole way of a trial, with every metric: loss, accuracy and the probe count no padding."""
    path = tmp_path / "own.yaml"
    text = SWEEP.replace("DATASET", task.replace("OPTIONS", "positions: 5, shortest: 2, samples: 200"))
    model = "{width: 8, initialisation: xavier, activation: gelu, options: {heads: 2}}"
    text = re.sub(r"model: .*", f"model: {model}", text).replace("RECIPE", "augmentation: none")
    text = text.replace("[plainnet], depth: [4]", "[transformer], depth: [2]")
    path.write_text(f"{text}probe: {{metrics: [{', '.join(NAMES)}]}}\n")
    trial = load_sweep(path).trials()[0]
    record = run_trial(trial)
    metrics = record.epochs[-1].metrics
    splits = open_dataset(trial.dataset, trial.fingerprint)
    right = metrics["train.accuracy"] * splits.labelled
    assert splits.labelled == (splits.train_x != splits.train_x.max()).sum() or "parity" in task
    assert set(NAMES) <= set(record.layers["statistic"])
    assert right == pytest.approx(round(right), abs=1e-6), "a share of the labels that there are"
    assert metrics["chance.accuracy"] == pytest.approx(splits.majority_share)
