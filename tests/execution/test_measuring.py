"""Measuring finished runs again: new statistics in the same runs, nothing trained, nothing overwritten."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator
from safetensors.torch import load, save

from skipray import architectures, tracking
from skipray.datasets import open_dataset
from skipray.execution.measuring import measure_sweep, measure_weights, measurement_name
from skipray.execution.twins import compare_twins
from skipray.launch import run as skipray
from skipray.metrics.cka_consecutive import linear_cka
from skipray.records import LAYER_COLUMNS
from skipray.results import schema
from skipray.spec import ProbeSpec, SpecError, load_sweep
from skipray.tracking import read_layers, read_ledger, read_trials, read_weights, winning_runs
from skipray.tracking.schema import ARTIFACTS
from skipray.tracking.write.measurement import new_values
from skipray.trial import run_trial

SWEEP = """\
name: measured
question: What was there all along?
dataset: {name: digits}
model: {kind: mlp, width: 16, normalization: batch, initialisation: he_normal, activation: relu, residual_scale: 1}
recipe: {epochs: 2, batch_size: 128, learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4, schedule: constant,
  augmentation: none}
factors: {architecture: [plainnet, resnet], depth: [8]}
seeds: [0]
probe: {samples: 64}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("measuring") / "measured.yaml"
    path.write_text(SWEEP)
    return path


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_a_finished_sweep_is_measured_once_and_nothing_else_changes(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    from skipray.execution.launching import launch_sweep

    uri = f"sqlite:///{file.parent}/skipray.db"
    sweep, richer = load_sweep(file), load_sweep(file, ["probe.preset=full"])
    assert launch_sweep(sweep, tracking_uri=uri).ran == 2
    client = MlflowClient(uri)

    def files(run_id: str) -> dict[str, str]:
        folder = Path(client.get_run(run_id).info.artifact_uri)
        return {
            str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
            for f in folder.rglob("*")
            if f.is_file()
        }

    runs = winning_runs(sweep, uri)
    before = {r: (client.get_run(r), files(r)) for r in runs.values()}
    table_before, layers_before = read_trials(sweep, uri), read_layers(sweep, uri)
    assert measure_sweep(sweep, tracking_uri=uri).measured == 0, "the runs' own probe"

    done = measure_sweep(richer, tracking_uri=uri)
    assert (done.measured, done.already, done.failed, done.without_weights) == (2, 0, (), ())
    assert winning_runs(sweep, uri) == runs
    for run_id, (run, held) in before.items():
        now = client.get_run(run_id)
        assert now.info.status == "FINISHED"
        assert run.data.metrics.items() <= now.data.metrics.items()
        assert run.data.params == now.data.params
        # The list of files and checksums has grown by the new files; every other tag is as it was.
        listed, listed_now = (json.loads(r.data.tags[ARTIFACTS]) for r in (run, now))
        assert listed.items() <= listed_now.items()
        assert {k: v for k, v in run.data.tags.items() if k != ARTIFACTS}.items() <= now.data.tags.items()
        assert held.items() <= files(run_id).items()
        folder = f"measurements/{done.measurement}"
        new_files = {
            f"{folder}/{name}" for name in ("layers.parquet", "spectra.npz", "histograms.parquet", "metrics.json")
        }
        assert files(run_id).keys() - held.keys() == new_files
        about = json.loads(now.data.tags[f"skipray.measurement.{done.measurement}"])
        assert about["probe"]["preset"] == "full"
        assert about["probe"]["samples"] == 64
        assert set(about["keys"]) == now.data.metrics.keys() - run.data.metrics.keys()
        for key in now.data.metrics:
            if not key.startswith("profile."):
                steps = [m.step for m in client.get_metric_history(run_id, key)]
                assert len(steps) == len(set(steps))

    table, layers = read_trials(sweep, uri), read_layers(sweep, uri)
    shared = [c for c in table_before if c in table]
    assert list(table_before) == shared
    assert table[shared].equals(table_before), "train_seconds too: nothing was trained"
    assert table["flatness"].notna().all()
    assert table["output_gradient.gradient_norm.max"].notna().all()
    assert set(layers["tensor"]) - set(layers_before["tensor"]) >= {"weight_gradient", "branch"}
    gradients = layers[layers["tensor"] == "output_gradient"]
    assert len(gradients) > len(layers_before[layers_before["tensor"] == "output_gradient"])
    updates = layers[layers["tensor"] == "weight_update"]
    assert updates["value"].isna().all()
    assert set(updates["reason"]) == {"training is over: only the run itself can measure the last step's update"}
    kept = layers.merge(layers_before, on=[c for c in LAYER_COLUMNS if c != "value"] + ["trial_id"])
    assert len(kept) == len(layers_before)
    assert np.array_equal(kept["value_x"], kept["value_y"], equal_nan=True)
    alone = read_layers(sweep, uri, measurement=done.measurement)
    assert set(alone["epoch"]) == {2}

    assert measure_sweep(richer, tracking_uri=uri).as_json()["already"] == 2
    assert measure_sweep(richer, tracking_uri=uri).measured == 0
    check_twins(file, uri, capsys)


def check_twins(file: Path, uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Linear CKA of the twins' saved weights, against hooks by hand; as the verb hands it out."""
    sweep = load_sweep(file)
    seen: dict[str, list[torch.Tensor]] = {}
    for trial in sweep.trials():
        row = read_ledger(sweep, uri).finished[trial.trial_id]
        network = architectures.build(trial.model, (1, 8, 8), 10).eval()
        network.load_state_dict(load(read_weights(uri, row)))
        outputs = seen[trial.model.architecture] = []
        for layer in network.hidden_layers():
            layer.output.register_forward_hook(lambda m, a, out, kept=outputs: kept.append(out.detach()))
        network(open_dataset(trial.dataset, trial.fingerprint).probe_batch(64)[0])
    expected = [linear_cka(a, b) for a, b in zip(seen["plainnet"], seen["resnet"], strict=True)]
    assert 0 < min(expected) < 0.999

    table = compare_twins(sweep, tracking_uri=uri).table
    assert table["cka"].tolist() == pytest.approx(expected, rel=1e-9)
    assert (table["plain"] == "plainnet").all()
    assert (table["twin"] == "resnet").all()
    assert table["plain_layer"].tolist() == table["twin_layer"].tolist() == ["stem", "blocks.0", "blocks.1", "blocks.2"]
    assert table["layer_index"].tolist() == [0, 1, 2, 3]
    capsys.readouterr()
    assert skipray(["twins", str(file), "--tracking-uri", uri, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [e.message for e in Draft202012Validator(schema()).iter_errors(told)] == []
    assert [row["cka"] for row in told["layers"]] == table["cka"].tolist()
    assert skipray(["twins", str(file), "--tracking-uri", uri]) == 0
    assert f"plainnet and resnet 8 {expected[0]:.3f}" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SpecError, match="found no finished twins of one depth and seed; needed: finished runs in the"):
        compare_twins(load_sweep(file, ["factors.architecture=[resnet]"]), tracking_uri=uri)


def test_twins_that_cannot_be_compared_are_named_and_the_others_are_compared(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = load_sweep(file, ["seeds=[0, 1, 2, 3]", "recipe.epochs=0"])
    shape, classes = (1, 8, 8), 10
    weights = {t.trial_id: save(architectures.build(t.model, shape, classes).state_dict()) for t in sweep.trials()}
    plain = {t.seed: t.trial_id for t in sweep.trials() if t.model.architecture == "plainnet"}
    narrow = sweep.cells[0].model.model_copy(update={"width": 5})
    weights[plain[1]] = b"junk"
    weights[plain[2]] = save(architectures.build(narrow, shape, classes).state_dict())
    rows = {i: SimpleNamespace(trial_id=i, artifacts='{"weights.safetensors": [9, "ab"]}') for i in weights}
    weights[plain[3]] = None
    monkeypatch.setattr(tracking, "exists", lambda *_: True)
    monkeypatch.setattr(tracking, "known_trials", lambda *_: SimpleNamespace(trials=sweep.trials()))
    monkeypatch.setattr(tracking, "read_ledger", lambda *_, **__: SimpleNamespace(finished=rows))
    monkeypatch.setattr(tracking, "read_weights", lambda uri, row: weights[row.trial_id])
    found = compare_twins(sweep)
    assert set(found.table["seed"]) == {0}
    junk, other, gone = found.left_out
    assert "plainnet-d008-s01 and resnet-d008-s01: the weights of plainnet-d008-s01 cannot be used" in junk
    assert "the weights of plainnet-d008-s02 cannot be used" in other
    assert "\n" not in other
    assert "the run of plainnet-d008-s03 has no weights that are as they were recorded" in gone
    rows[plain[3]].artifacts = ""
    assert "the run of plainnet-d008-s03 has kept no weights" in compare_twins(sweep).left_out[2]

    def fails(*_: object, **__: object) -> object:
        raise KeyError("gone")

    monkeypatch.setattr(architectures, "build", fails)
    assert all("KeyError: 'gone'" in line for line in compare_twins(sweep).left_out[:3])


def test_the_weights_give_what_the_run_itself_measured(file: Path) -> None:
    trial = load_sweep(file, ["probe.preset=full"]).trials()[0]
    record = run_trial(trial)
    assert record.weights is not None
    found = measure_weights(trial, record.weights, epoch=2)
    key = [c for c in LAYER_COLUMNS if c not in ("value", "reason", "censored")]
    both = record.layers[record.layers["tensor"] != "weight_update"].merge(found.layers, on=key)
    assert len(both) == (found.layers["tensor"] != "weight_update").sum()
    np.testing.assert_allclose(both["value_x"], both["value_y"], rtol=1e-6)
    assert found.histograms == tuple(h for h in record.histograms if h.epoch == 2)
    assert len(found.histograms) == 4
    last = record.epochs[-1].metrics
    for name, value in found.metrics.items():
        assert value == pytest.approx(last[name], rel=1e-6), name
    assert {"flatness", "norm.distance", "calibration_error"} <= found.metrics.keys()


REMEMBERS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.stem, self.head = nn.Linear(64, 16), nn.Linear(16, classes)
        self.register_buffer("mean", torch.zeros(16), persistent=False)
        self.steps = 0
    def forward(self, x):
        x = self.stem(x.flatten(1))
        if self.training:
            self.mean.mul_(0.9).add_(0.1 * x.detach().mean(0))
            self.steps += 1
        return self.head(torch.tanh(x - self.mean) / (1 + 0.1 * self.steps))

class family:
    def build(model, shape, classes):
        return Net(classes)
"""


def test_weights_have_what_a_network_remembers(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "remembering.py").write_text(REMEMBERS)
    monkeypatch.syspath_prepend(tmp_path)
    own = ["factors.architecture=[remembering:family]", "model={}"]
    trial = load_sweep(file, own).trials()[0]
    record = run_trial(trial)
    assert record.weights is not None
    assert load(record.weights).keys() == {f"{part}.{name}" for part in ("stem", "head") for name in ("weight", "bias")}
    assert run_trial(trial).weights == record.weights
    found = measure_weights(trial, record.weights, epoch=2)
    key = [c for c in LAYER_COLUMNS if c not in ("value", "reason", "censored")]
    both = record.layers.merge(found.layers, on=key)
    assert len(both) == len(found.layers)
    np.testing.assert_array_equal(both["value_x"], both["value_y"])
    measure_weights(trial, save(load(record.weights)), epoch=2)  # a file from before it


def test_weights_that_are_not_the_networks_are_refused(file: Path) -> None:
    trial = load_sweep(file).trials()[0]
    with pytest.raises(ValueError, match="the weights of plainnet-d008-s00 cannot be used"):
        measure_weights(trial, b"no safetensors", epoch=2)


def test_a_mark_is_sent_only_with_its_value() -> None:
    have = frozenset({"a"})
    assert new_values({"a": 1.0, "a.censored": 1.0, "b": 2.0, "b.censored": 1.0, "c": float("nan")}, have) == {
        "b": 2.0,
        "b.censored": 1.0,
    }


def test_a_measurement_is_named_by_what_it_measures() -> None:
    assert measurement_name(ProbeSpec()) == measurement_name(ProbeSpec(every_epochs=3))
    assert measurement_name(ProbeSpec()) != measurement_name(ProbeSpec(samples=128))


def test_nothing_to_measure_says_what_to_do(file: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="launch the sweep first"):
        measure_sweep(load_sweep(file), tracking_uri=f"sqlite:///{tmp_path}/none.db")
