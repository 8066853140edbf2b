"""Whole trials: their records, the same bits however they were run, resuming, refusing, failing."""

import dataclasses
import hashlib
import json
import math
import os
import pickle
import subprocess
import sys
import types

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load
from threadpoolctl import threadpool_info
from torch import nn

from skipray.datasets import gaussian, open_dataset
from skipray.datasets.preparing import cache as prepared
from skipray.records import LAYER_COLUMNS
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, TrialSpec
from skipray.trial import run_trial

DATA = DatasetSpec(name="gaussian", options={"features": 16, "samples": 230, "classes": 4, "separation": 4.0})


@pytest.fixture(scope="module", autouse=True)
def one_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKIPRAY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def trial(dataset=DATA, fingerprint=gaussian.FINGERPRINT, model=None, recipe=None, probe=None, **changes):
    return TrialSpec(
        sweep="test",
        dataset=dataset,
        fingerprint=fingerprint,
        model=ModelSpec(
            **{
                "architecture": "plainnet",
                "depth": 8,
                "kind": "mlp",
                "width": 12,
                "normalization": "batch",
                "initialisation": "he_normal",
                "activation": "relu",
            }
            | (model or {})
        ),
        recipe=Recipe(
            **{
                "epochs": 4,
                "batch_size": 50,
                "learning_rate": 0.05,
                "momentum": 0.9,
                "weight_decay": 1e-4,
                "schedule": "cosine",
                "augmentation": "none",
            }
            | (recipe or {})
        ),
        probe=ProbeSpec(**{"samples": 32} | (probe or {})),
        **{"seed": 0, "resources": Resources()} | changes,
    )


def essence(record):
    """All that must not depend on how a trial was run."""
    return (
        record.trial_id,
        record.outcome,
        [(e.epoch, e.metrics) for e in record.epochs],
        record.layers.to_csv(float_format="%r"),
        {key: values.tobytes() for key, values in record.spectra.items()},
        record.profiles,
        record.profile_layers,
        record.histograms,
        record.weights,
    )


@pytest.fixture(scope="module")
def undisturbed():
    return run_trial(trial(probe={"every_epochs": 2}))


def test_a_record(undisturbed):
    record = undisturbed
    assert record.outcome == "trained"
    assert record.trial_id == trial(probe={"every_epochs": 2}).trial_id
    assert [e.epoch for e in record.epochs] == [0, 1, 2, 3, 4]
    parts = {f"{part}.{what}" for part in ("train", "validation", "test") for what in ("loss", "accuracy")}
    for epoch in record.epochs:
        assert parts <= epoch.metrics.keys()
        assert all(math.isfinite(v) for v in epoch.metrics.values())
        assert ("learning_rate" in epoch.metrics) == (epoch.epoch > 0)
        assert ("hidden.log10_condition.max" in epoch.metrics) == (epoch.epoch in (0, 2, 4))
    last = record.epochs[-1].metrics
    assert last["gap.accuracy"] == last["train.accuracy"] - last["test.accuracy"]
    assert last["gap.loss"] == last["test.loss"] - last["train.loss"]
    assert last["train.accuracy"] > 0.6
    assert tuple(record.layers.columns) == LAYER_COLUMNS
    assert sorted(record.layers["epoch"].unique()) == [0, 2, 4]
    assert len(record.profiles["profile.hidden.log10_condition"]) == len(
        record.profile_layers["profile.hidden.log10_condition"]
    )
    assert record.train_seconds > 0
    assert record.probe_seconds > 0
    assert {"torch", "device", "hostname"} <= record.environment.keys()
    assert all(isinstance(v, str) for v in record.environment.values())
    pickle.loads(pickle.dumps(record))


def test_the_weights_are_those_that_gave_the_last_metrics(undisturbed):
    from skipray.architectures import build

    net = build(trial().model, (1, 1, 16), 4)
    net.load_state_dict(load(undisturbed.weights))
    net.eval()
    splits = open_dataset(DATA, gaussian.FINGERPRINT)
    with torch.no_grad():
        right = (net(splits.normalise(splits.test_x)).argmax(1) == splits.test_y).double().mean().item()
    assert undisturbed.epochs[-1].metrics["test.accuracy"] == right


def test_the_same_bits_in_a_reused_process(undisturbed):
    torch.manual_seed(5)
    run_trial(trial(seed=3))
    assert essence(run_trial(trial(probe={"every_epochs": 2}))) == essence(undisturbed)


def test_the_same_bits_in_a_fresh_process(undisturbed, tmp_path):
    (tmp_path / "trial").write_bytes(pickle.dumps(trial(probe={"every_epochs": 2})))
    code = (
        "import pickle, sys; from skipray.trial import run_trial\n"
        "spec = pickle.load(open(sys.argv[1], 'rb')); pickle.dump(run_trial(spec), open(sys.argv[2], 'wb'))"
    )
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "trial", tmp_path / "record"],
        check=True,
        timeout=100,
        env=os.environ | {"OMP_NUM_THREADS": "2"},  # the trial's own thread count decides
    )
    assert essence(pickle.loads((tmp_path / "record").read_bytes())) == essence(undisturbed)


def test_what_is_measured_does_not_change_what_is_trained(undisturbed):
    assert run_trial(trial(probe={"preset": "none"})).weights == undisturbed.weights
    assert run_trial(trial(probe={"preset": "full", "every_epochs": 1})).weights == undisturbed.weights


class Kept:
    """Checkpoints in memory."""

    def __init__(self, state=None):
        self.states = [state] if state is not None else []

    def load(self):
        return self.states[-1] if self.states else None

    def save(self, state):
        self.states.append(state)


class Stopped(Exception):
    pass


def stop_after(calls):
    """A callback that raises at its n-th call."""
    left = [calls]

    def check():
        left[0] -= 1
        if left[0] == 0:
            raise Stopped

    return check


@pytest.mark.parametrize("calls", [2, 4, 7, 9, 12, 18, 21, 28, 30])
def test_resumed_is_undisturbed_bit_for_bit(undisturbed, calls):
    kept = Kept()
    spec = trial(probe={"every_epochs": 2})
    with pytest.raises(Stopped):
        run_trial(spec, checkpoints=kept, interrupted=stop_after(calls))
    assert essence(run_trial(spec, checkpoints=kept)) == essence(undisturbed)


def test_resumed_again_and_again(undisturbed):
    kept, attempts = Kept(), 0
    spec = trial(probe={"every_epochs": 2})
    while True:
        attempts += 1
        try:
            record = run_trial(spec, checkpoints=kept, interrupted=stop_after(7))
            break
        except Stopped:
            assert attempts < 50
    assert attempts == 5
    assert essence(record) == essence(undisturbed)


def test_states_by_time_at_every_step_and_every_one_of_them_resumes(undisturbed):
    often = trial(probe={"every_epochs": 2}, resources=Resources(checkpoint_seconds=1e-9))
    kept = Kept()
    assert essence(run_trial(often, checkpoints=kept)) == essence(undisturbed)
    assert len(kept.states) == 4 * 4 + 3  # 5 steps an epoch: 4 boundaries within each, 3 between epochs
    for state in kept.states[::3]:
        assert essence(run_trial(often, checkpoints=Kept(state))) == essence(undisturbed)


def test_a_short_trial_saves_nothing():
    kept = Kept()
    run_trial(trial(), checkpoints=kept)
    assert kept.states == []


@pytest.mark.parametrize("recipe", [{"augmentation": "standard"}, {"schedule": "he2015", "warmup_epochs": 3.0}])
@pytest.mark.parametrize("model", [{}, {"kind": "cnn", "block": "basic", "layout": "cifar", "width": 2}])
def test_resumed_with_augmentation_warm_up_and_convolutions(recipe, model):
    spec = trial(recipe=recipe | {"epochs": 2}, model=model)
    kept = Kept()
    with pytest.raises(Stopped):
        run_trial(spec, checkpoints=kept, interrupted=stop_after(8))
    assert essence(run_trial(spec, checkpoints=kept)) == essence(run_trial(spec))


def test_records_are_sent_once_they_are_durable_and_again_alike_after_a_resume():
    spec = trial(resources=Resources(checkpoint_seconds=1e-9))
    kept, sent = Kept(), []

    def on_saved(records):
        durable = _records(kept.states[-1])
        assert [(r.epoch, r.time_ms, r.metrics) for r in records] == durable[len(sent) :]
        sent.extend(records)

    with pytest.raises(Stopped):
        run_trial(spec, checkpoints=kept, on_saved=on_saved, interrupted=stop_after(20))
    assert [r.epoch for r in sent] == [0, 1, 2]
    again = []
    record = run_trial(spec, checkpoints=kept, on_saved=again.extend)
    assert again[:3] == sent
    assert [r.epoch for r in again] == [0, 1, 2, 3]
    assert record.epochs[:4] == tuple(again)


def _records(blob):
    header = json.loads(blob[8 : 8 + int.from_bytes(blob[:8], "little")])
    values = json.loads(header["__metadata__"]["skipray"])["values"]
    return [tuple(r) for r in values["records"]]


@pytest.mark.parametrize("damage", ["truncated", "of another trial", "nonsense"])
def test_a_state_that_cannot_be_used_is_refused_and_the_trial_starts_over(undisturbed, damage, caplog):
    kept = Kept()
    with pytest.raises(Stopped):
        run_trial(trial(seed=1 if damage == "of another trial" else 0), checkpoints=kept, interrupted=stop_after(12))
    state = kept.states[-1]
    broken = {"truncated": state[:-50], "of another trial": state, "nonsense": b"nonsense"}[damage]
    told = []
    record = run_trial(trial(probe={"every_epochs": 2}), checkpoints=Kept(broken), on_refused=told.append)
    assert [said[:5] for said in told] == ["found"]
    assert "plainnet-d008-s00 starts over: found" in caplog.text
    assert essence(record) == essence(undisturbed)


def test_an_attempt_that_lost_its_trial_ends():
    class Fenced(Exception):
        pass

    class Lost(Kept):
        def save(self, state):
            raise Fenced

    with pytest.raises(Fenced):
        run_trial(trial(resources=Resources(checkpoint_seconds=1e-9)), checkpoints=Lost())


def test_a_diverged_trial_keeps_its_records_until_then():
    record = run_trial(trial(recipe={"learning_rate": 1e30, "schedule": "constant"}))
    assert record.outcome == "diverged"
    assert [e.epoch for e in record.epochs] == [0]
    assert record.layers["epoch"].unique().tolist() == [0]
    assert record.profiles == {}


def test_an_untrained_network_has_no_gap():
    record = run_trial(
        trial(recipe={"learning_rate": 1e-9}, dataset=DATA.model_copy(update={"options": {"samples": 500}}))
    )
    assert record.outcome == "untrained"
    assert "gap.accuracy" not in record.epochs[-1].metrics
    assert "gap.loss" not in record.epochs[-1].metrics


def test_the_last_epoch_is_judged_on_the_part_of_the_others_too_and_chance_is_logged():
    """A network that all but stands still: what differs between its epochs is what it is judged on."""
    larger = DATA.model_copy(update={"options": {**DATA.options, "samples": 900}})
    record = run_trial(
        trial(
            dataset=larger,
            model={"normalization": "none"},
            recipe={"epochs": 2, "learning_rate": 1e-30, "momentum": 0.0},
            probe={"preset": "none"},
        )
    )
    first, _, last = (epoch.metrics for epoch in record.epochs)
    assert last["part.samples"] == 256
    for key in ("train.loss", "train.accuracy", "test.loss"):
        assert last[f"part.{key}"] == first[key]
    assert last["train.loss"] != first["train.loss"], "its own metrics are of all samples"
    assert "part.train.loss" not in first
    shares = np.bincount(open_dataset(larger, gaussian.FINGERPRINT).train_y.numpy()) / 810
    assert last["chance.accuracy"] == pytest.approx(shares.max())
    assert last["chance.loss"] == pytest.approx(-(shares * np.log(shares)).sum())


def test_trained_is_three_standard_errors_above_the_majority(monkeypatch):
    import skipray.trial.run as module

    spec = trial(recipe={"epochs": 0})
    labels = open_dataset(DATA, gaussian.FINGERPRINT).train_y.tolist()
    samples = len(labels)
    share = max(labels.count(label) for label in range(4)) / samples
    limit = share + 3 * math.sqrt(share * (1 - share) / samples)
    for accuracy, outcome in ((limit - 1e-9, "untrained"), (limit + 1e-9, "trained")):
        found = module.Evaluation({"loss": 1.0, "accuracy": accuracy})
        monkeypatch.setattr(module, "evaluate", lambda *a, found=found, **k: found)
        assert run_trial(spec).outcome == outcome


def test_gradients_on_request_and_nothing_else_changes(undisturbed):
    asked = run_trial(trial(probe={"every_epochs": 2, "gradients": True}))
    assert set(asked.layers["tensor"]) - set(undisturbed.layers["tensor"]) == {"weight_gradient"}
    assert set(asked.layers["epoch"]) == {0, 2, 4}
    assert asked.weights == undisturbed.weights
    assert asked.trial_id == undisturbed.trial_id


def test_the_default_probe_has_the_sizes_of_gradients_before_training_and_in_no_metric(undisturbed):
    sizes = undisturbed.layers[undisturbed.layers["tensor"] == "output_gradient"]
    assert set(sizes["epoch"]) == {0}
    assert set(sizes["statistic"]) == {"gradient_norm"}
    hidden = undisturbed.layers[(undisturbed.layers["tensor"] == "hidden") & (undisturbed.layers["epoch"] == 0)]
    assert set(hidden["layer"]) <= set(sizes["layer"])
    assert not [key for epoch in undisturbed.epochs for key in epoch.metrics if "output_gradient" in key]
    asked = run_trial(trial(recipe={"epochs": 0}, probe={"gradients": True})).layers
    whole = asked[(asked["tensor"] == "output_gradient") & (asked["statistic"] == "gradient_norm")]
    assert list(whole["layer"]) == list(sizes["layer"])
    ratio = whole["value"].to_numpy() / sizes["value"].to_numpy()
    assert ((ratio > 0.2) & (ratio < 5)).all(), "of as many samples as are trained on together, of another batch"


def test_no_epochs_measure_the_initial_network():
    record = run_trial(trial(recipe={"epochs": 0}))
    assert [e.epoch for e in record.epochs] == [0]
    assert record.outcome == "untrained"
    assert record.layers["epoch"].unique().tolist() == [0]
    assert record.profiles


def test_settings_of_the_process_are_given_back():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    tf32 = torch.backends.cudnn.allow_tf32
    seen, blas = [], [pool["num_threads"] for pool in threadpool_info()]

    def look():
        pools = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
        seen.append((torch.get_num_threads(), *pools, torch.backends.cudnn.allow_tf32))

    run_trial(trial(resources=Resources(threads=threads + 1)), interrupted=look)
    assert set(seen) == {(threads + 1, threads + 1, False)}
    assert [pool["num_threads"] for pool in threadpool_info()] == blas
    assert torch.get_num_threads() == threads
    assert torch.backends.cudnn.allow_tf32 == tf32
    assert torch.equal(torch.get_rng_state(), state)


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.map = nn.Linear(16, 4)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls > 12:
            raise ZeroDivisionError("in the user's forward")
        return self.map(nn.functional.dropout(x.flatten(1), 0.3, self.training))


def test_users_own_networks_raise_their_own_errors(monkeypatch):
    module = types.ModuleType("mine")
    module.family = types.SimpleNamespace(build=lambda model, shape, classes: Broken())
    monkeypatch.setitem(sys.modules, "mine", module)
    with pytest.raises(ZeroDivisionError, match="in the user's forward"):
        run_trial(trial(model={"architecture": "mine:family"}))


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 5)),
            ValueError,
            r"found an output of \(2, 5\) for 2 samples",
        ),
        (lambda: nn.Sequential(nn.Linear(16, 4)), ValueError, r"found an output of \(2, 1, 1, 4\)"),
        (lambda: 3, TypeError, "build returned a int; allowed: a torch.nn.Module"),
    ],
)
def test_what_a_users_family_builds_is_looked_at(monkeypatch, made, error, message):
    module = types.ModuleType("mine")
    module.family = types.SimpleNamespace(build=lambda model, shape, classes: made())
    monkeypatch.setitem(sys.modules, "mine", module)
    with pytest.raises(error, match=f"mine:family: {message}"):
        run_trial(trial(model={"architecture": "mine:family"}))


def check_resumed(monkeypatch, build):
    """A user's own network that is interrupted, and goes on, ends bit for bit like one that is not."""
    module = types.ModuleType("mine")
    module.family = types.SimpleNamespace(build=lambda model, shape, classes: build())
    monkeypatch.setitem(sys.modules, "mine", module)
    spec = trial(model={"architecture": "mine:family"})
    kept = Kept()
    with pytest.raises(Stopped):
        run_trial(spec, checkpoints=kept, interrupted=stop_after(12))
    assert essence(run_trial(spec, checkpoints=kept)) == essence(run_trial(spec))


def test_dropout_of_a_users_own_network_resumes_bit_for_bit(monkeypatch):
    def build():
        net = Broken()
        net.calls = -10_000
        return net

    check_resumed(monkeypatch, build)


class Remembers(Broken):
    """A memory that grows with each step of training, and that the scores depend on."""

    def __init__(self):
        super().__init__()
        self.calls = -10_000
        self.register_buffer("memory", torch.zeros(0, 4))

    def forward(self, x):
        scores = super().forward(x)
        if self.training:
            self.memory = torch.cat([self.memory, scores.detach()[:1]])
        return scores + self.memory.sum(0)


def test_a_memory_that_grows_resumes_bit_for_bit(monkeypatch, caplog):
    check_resumed(monkeypatch, Remembers)
    assert "starts over" not in caplog.text


def test_digits_end_to_end():
    from skipray.datasets import digits

    record = run_trial(
        trial(
            dataset=DatasetSpec(name="digits"),
            fingerprint=digits.FINGERPRINT,
            model={"architecture": "resnet", "residual_scale": 1, "width": 32, "depth": 14},
            recipe={"epochs": 6, "batch_size": 128},
        )
    )
    last = record.epochs[-1].metrics
    assert record.outcome == "trained"
    assert last["train.accuracy"] > 0.95
    assert last["test.accuracy"] > 0.8
    assert isinstance(record.layers, pd.DataFrame)
    assert all(np.all(np.diff(s) <= 0) for s in record.spectra.values())


def test_trials_share_one_prepared_data_set(monkeypatch):
    run_trial(trial())
    monkeypatch.setattr(prepared, "read_or_make", lambda *a: pytest.fail("opened again"))
    run_trial(trial(seed=9))


def test_the_probe_does_not_change_the_identity_but_the_threads_do():
    assert trial(probe={"samples": 8}).trial_id == trial().trial_id
    assert dataclasses.replace(trial(), resources=Resources(threads=2)).trial_id != trial().trial_id


def test_images_that_are_decoded_while_they_are_used_resume_bit_for_bit(tmp_path):
    random = np.random.RandomState(0)
    listing = ""
    for part, count in (("train", 12), ("val", 4)):
        for name in ("n01", "n02"):
            folder = tmp_path / "imagenet" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(random.randint(0, 256, (40, 36, 3)).astype(np.uint8)).save(folder / f"{i:02d}.jpg")
        paths = sorted((tmp_path / "imagenet" / part).glob("*/*"))
        listing += "".join(f"{part}/{p.parent.name}/{p.name} {p.stat().st_size}\n" for p in paths)
    fingerprint = hashlib.sha256(listing.encode()).hexdigest()
    spec = trial(
        dataset=DatasetSpec(name="imagenet", fingerprint=fingerprint, options={"image_size": 32, "classes": 2}),
        fingerprint=fingerprint,
        model={"kind": "cnn", "layout": "imagenet", "block": "basic", "width": 4, "depth": 18},
        recipe={"epochs": 2, "batch_size": 6, "augmentation": "standard"},
        probe={"samples": 8},
    )
    kept = Kept()
    with pytest.raises(Stopped):
        run_trial(spec, data_root=str(tmp_path), checkpoints=kept, interrupted=stop_after(5))  # two of four steps
    resumed = run_trial(spec, data_root=str(tmp_path), checkpoints=kept)
    assert len(kept.states) == 1
    assert essence(resumed) == essence(run_trial(spec, data_root=str(tmp_path)))
