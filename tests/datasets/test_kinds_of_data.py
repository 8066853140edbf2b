"""Rows of features, tokens, regression, tables; what is refused, and how it is said."""

import sys
import types

import numpy as np
import pandas as pd
import pytest
import torch

from skipray import datasets
from skipray.datasets import DataCorrupt, Raw, fingerprint_of, labels_are, open_dataset, shape_and_classes
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
        (CLASSES, {"INPUT_SHAPE": (4,)}, r"found train images of \(5,\); allowed: \(4,\)"),
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
    with pytest.raises(SpecError, match=r"probe.preset: found 'full'; allowed for labels that are values: left out"):
        load(tmp_path, text, "recipe.loss=mse", "probe.preset=full")
    (trial,) = load(tmp_path, text, "recipe.loss=mse", "recipe.epochs=40", "recipe.learning_rate=0.02").trials()
    record = run_trial(trial)
    last = record.epochs[-1].metrics
    assert record.outcome == "trained"
    assert "train.accuracy" not in last
    assert last["train.loss"] < 1 < record.epochs[0].metrics["train.loss"]
    assert last["gap.loss"] == pytest.approx(last["test.loss"] - last["train.loss"])
    (idle,) = load(tmp_path, text, "recipe.loss=mse", "recipe.epochs=0").trials()
    assert run_trial(idle).outcome == "untrained"


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
