"""Metrics of one's own over the labels of a split, and between the splits, are measured at every epoch."""

from pathlib import Path

import pytest

from skipray.metrics.computing.own import NoNumber
from skipray.spec import load_sweep
from skipray.trial import run_trial

TEXT = """
from skipray.metrics import Absent, GapMetric, SplitMetric

WORDS = {"definition": "d", "source": "s", "axis": "a"}

class errors:
    METRIC = SplitMetric(key="errors", low=0.0, high=1.0, **WORDS)
    def measure(batch):
        wrong = (batch.scores.argmax(-1) != batch.targets).sum()
        batch.scores.zero_(), batch.targets.zero_()
        return wrong

class ratio:
    METRIC = GapMetric(key="gap.ratio", of="accuracy", **WORDS)
    def measure(train, test):
        return train / test

class nowhere:
    METRIC = SplitMetric(key="nowhere", **WORDS)
    def measure(batch):
        raise Absent("not of these labels")

class odd:
    METRIC = SplitMetric(key="odd", **WORDS)
    def measure(batch):
        return "3"
"""
SWEEP = """
name: own
question: q
dataset: {name: digits, train_samples: 256, test_samples: 128}
model: {kind: mlp, width: 16, normalization: batch, initialisation: he_normal, activation: relu, residual_scale: 1}
recipe: {epochs: 2, batch_size: 64, learning_rate: 0.05, momentum: 0.9, weight_decay: 0, schedule: constant,
  augmentation: none}
factors: {architecture: [plainnet], depth: [4]}
seeds: [0]
"""


@pytest.fixture
def epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "splitting.py").write_text(TEXT)

    def run(*names: str):
        asked = ", ".join(f'"splitting:{name}"' for name in names)
        file = tmp_path / "own.yaml"
        file.write_text(SWEEP + (f"probe: {{metrics: [{asked}]}}\n" if names else ""))
        return run_trial(load_sweep(file).trials()[0]).epochs

    return run


def test_they_are_measured_and_change_nothing(epochs) -> None:
    """They were named, refused nothing, and were in no run."""
    plain, own = epochs(), epochs("errors", "ratio", "nowhere")
    for before, epoch in zip(plain, own, strict=True):
        metrics = dict(epoch.metrics)
        for split in ("train", "validation", "test"):
            if f"{split}.accuracy" in metrics:
                assert metrics.pop(f"{split}.errors") == pytest.approx(1 - metrics[f"{split}.accuracy"])
        for split in ("train", "validation", "test"):
            metrics.pop(f"part.{split}.errors", None)
        if "gap.accuracy" in metrics:
            assert metrics.pop("gap.ratio") == metrics["train.accuracy"] / metrics["test.accuracy"]
        assert metrics == dict(before.metrics)
    assert "gap.ratio" in own[-1].metrics


def test_what_is_no_number_is_refused_at_its_line(epochs) -> None:
    with pytest.raises(NoNumber, match=r"splitting:odd \(.*splitting\.py:\d+\): found '3'; allowed: a number"):
        epochs("odd")
