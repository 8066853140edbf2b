"""Damaged files are measured again from the weights: the same values, and nothing is trained."""

from pathlib import Path

import pandas as pd
import pytest

from skipray import tracking
from skipray.execution.mending import mend
from skipray.spec import load_sweep
from skipray.storage import TrialPlace
from skipray.trial import run_trial

SWEEP = """\
name: torn
question: Can it be measured again?
dataset: {name: digits, train_samples: 200, test_samples: 100}
model: {kind: mlp, width: 8, normalization: batch, initialisation: he_normal, activation: relu, residual_scale: 1}
recipe:
  {epochs: 1, batch_size: 64, learning_rate: 0.05, momentum: 0.9, weight_decay: 0, schedule: cosine, augmentation: none}
factors: {architecture: [resnet], depth: [4]}
seeds: [0]
probe: {samples: 32}
"""


@pytest.mark.parametrize("file", ["layers.parquet", "spectra.npz", "histograms.parquet"])
def test_a_damaged_file_is_again_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torn.yaml").write_text(SWEEP)
    sweep = load_sweep("torn.yaml")
    (trial,) = sweep.trials()
    address = tracking.prepare(sweep)
    lease = TrialPlace(tracking.storage_url(sweep), sweep.name, trial.trial_id).acquire()
    recorder = tracking.Recorder(address, trial, lease)
    recorder.start()
    recorder.finish(run_trial(trial))
    before = tracking.read_layers(sweep)
    path = next(tmp_path.glob(f"skipray-store/artifacts/*/artifacts/{file}"))
    torn = bytearray(path.read_bytes())
    whole = bytes(torn)
    torn[len(torn) // 2] ^= 8
    path.write_bytes(torn)
    (finding,) = tracking.examine(sweep)
    assert (finding.kind, finding.action) == ("truncated", "measure")
    said: list[str] = []
    assert mend(sweep, [finding], say=said.append) == [finding]
    assert tracking.examine(sweep) == []
    assert file in said[0]
    pd.testing.assert_frame_equal(tracking.read_layers(sweep), before, check_exact=True)
    assert "bit for bit" not in said[0] or path.read_bytes() == whole
