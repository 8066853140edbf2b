"""Networks built anew by a sweep's name: no file is needed, and what is needed and not here is named."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skipray import tracking
from skipray.launch import run as skipray
from skipray.spec import SpecError, load_sweep
from skipray.storage import TrialPlace
from skipray.trial import run_trial
from skipray.verbs.shared.loading import load_to_build

SWEEP = """\
name: mine
question: Are they alike?
dataset: {name: digits, train_samples: 200, test_samples: 100}
model: {width: 8, kind: mlp, normalization: none, initialisation: he_normal, activation: relu, residual_scale: 1}
recipe:
  {epochs: 1, batch_size: 64, learning_rate: 0.05, momentum: 0.9, weight_decay: 0, schedule: cosine, augmentation: none}
factors: {architecture: [resnet, "mynets:tower"], depth: [4]}
seeds: [0]
claims: {plain: "mynets:tower", skip: resnet}
probe: {samples: 32}
"""
NETS = """\
import math


class tower:
    @staticmethod
    def build(model, input_shape, classes):
        from torch import nn

        inner = [nn.Sequential(nn.Linear(model.width, model.width), nn.ReLU()) for _ in range(model.depth - 2)]
        return nn.Sequential(
            nn.Flatten(), nn.Linear(math.prod(input_shape), model.width), *inner, nn.Linear(model.width, classes)
        )
"""


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A finished sweep whose file is gone; its address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mynets.py").write_text(NETS)
    (tmp_path / "mine.yaml").write_text(SWEEP)
    sweep = load_sweep("mine.yaml")
    address = tracking.prepare(sweep)
    for trial in sweep.trials():
        lease = TrialPlace(tracking.storage_url(sweep), sweep.name, trial.trial_id).acquire()
        recorder = tracking.Recorder(address, trial, lease)
        recorder.start()
        recorder.finish(run_trial(trial))
    tracking.write_manifest(address, sweep, sweep.trials(), {})
    tracking.finish_sweep(address)
    (tmp_path / "mine.yaml").unlink()
    yield address.uri
    sys.modules.pop("mynets", None)


def edited(text: str | None) -> None:
    """The module as a new process would find it; None takes it away."""
    sys.modules.pop("mynets", None)
    if text is None:
        Path("mynets.py").unlink()
    else:
        Path("mynets.py").write_text(text)
    importlib.invalidate_caches()


def test_by_name_what_is_here_is_built_and_what_is_not_is_named(
    finished: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert skipray(["twins", "mine", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["layers"]
    assert {(row["plain"], row["twin"]) for row in rows} == {("tower", "resnet")}

    stored = load_to_build("mine", ["probe.preset=full", "probe.samples=16"], None)
    assert (stored.probe.preset, stored.probe.samples) == ("full", 16)
    assert {t.probe.samples for t in stored.trials()} == {16}
    assert {t.trial_id for t in stored.trials()} == set(tracking.winning_runs(stored))
    for override, words in (("recipe.epochs=3", "allowed without one: probe"), ("probe.preset=all", "default, full")):
        with pytest.raises(SpecError, match=words):
            load_to_build("mine", [override], None)

    (tower,) = (t.trial_id for t in stored.trials() if t.model.architecture == "mynets:tower")
    path = Path("skipray-store", "artifacts", tracking.winning_runs(stored)[tower], "artifacts", "layers.parquet")
    whole = path.read_bytes()
    for text, words in (
        (NETS.replace("nn.ReLU()", "nn.Tanh()"), "as it was edited since its runs (changed: tower.build)"),
        (NETS.replace("class tower", "class spire"), "has no 'tower'"),
        (None, "No module named 'mynets'"),
    ):
        edited(text)
        capsys.readouterr()
        for verb in ("twins", "measure"):
            assert skipray([verb, "mine"]) == 2
            said = capsys.readouterr().err
            assert "'mynets:tower'" in said
            assert words in said
        assert skipray(["report", "mine"]) == 0, "what was measured needs no code"
        torn = bytearray(whole)
        torn[len(torn) // 2] ^= 4
        path.write_bytes(torn)
        capsys.readouterr()
        assert skipray(["doctor", "mine", "--repair"]) == 0
        out, err = capsys.readouterr()
        assert words in err
        assert path.read_bytes() == torn, "weights are never measured with other code than they were trained with"
        assert "left alone" not in out.partition("\n")[0]
        path.write_bytes(whole)
    edited(NETS + "\n\nclass unrelated:\n    pass\n")
    assert skipray(["twins", "mine"]) == 0, "what the family does not reach may change"
