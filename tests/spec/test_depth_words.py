"""Depth is called what the family says it is."""

import sys
from pathlib import Path

import pytest

from skipray.spec import load_sweep
from skipray.spec.depth_words import depth_at, depth_units, depth_words
from skipray.spec.manifest import as_written, manifest_of, read_manifest
from skipray.trends import trainability_limit
from skipray.trends.limit_words import limit_words

SWEEP = """\
name: own
question: How deep?
dataset: {name: digits}
model: {}
recipe: {epochs: 0, batch_size: 20, learning_rate: 0.01, momentum: 0, weight_decay: 0, schedule: constant,
         augmentation: none}
factors: {architecture: ["somebodys_depths:said", "somebodys_depths:silent"], depth: [4]}
seeds: [0]
"""


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "somebodys_depths.py").write_text(
        "class said:\n    DEPTH = 'stages'\n    @staticmethod\n    def build(model, input_shape, classes): ...\n"
        "class lines:\n    DEPTH = 'two\\nlines'\n    @staticmethod\n    def build(model, input_shape, classes): ...\n"
        "class silent:\n    @staticmethod\n    def build(model, input_shape, classes): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("modules")
def test_families_say_what_their_depth_counts() -> None:
    said, silent = "somebodys_depths:said", "somebodys_depths:silent"
    units = depth_units(["plainnet", "resnet", "transformer", said, silent])
    assert depth_words(["plainnet", "resnet"], units) == "depth (weight layers)"
    assert depth_words([said], units) == "depth (stages)"
    assert depth_words(["transformer", said], units) == "depth (blocks or stages)"
    assert depth_words(["resnet", silent], units) == "depth"
    assert depth_words(["resnet"], {}) == "depth (weight layers)", "a store of before says nothing of it"
    assert depth_words([said], {}) == "depth"
    assert depth_at([12], [said], units) == "12 stages"
    assert depth_at([1.2], ["transformer"], units) == "1 block"
    assert depth_at([1, 12], ["transformer"], units) == "1 to 12 blocks"
    for families in (["plainnet", "resnet"], ["transformer", said], ["resnet", silent], [silent]):
        assert depth_at([12], families, units) == "depth 12", "one word would be wrong of some"
    assert depth_units(["somebodys_depths:lines"]) == {"somebodys_depths:lines": "two lines"}


@pytest.mark.usefixtures("modules")
def test_limits_are_given_in_it(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(SWEEP.replace(', "somebodys_depths:silent"', ""))
    sweep = load_sweep(tmp_path / "own.yaml")
    limit = trainability_limit([2] * 3 + [4] * 3 + [8] * 3, [True] * 6 + [False] * 3)
    assert limit_words(limit, sweep.depth_at).startswith("6 stages (95")
    assert limit_words(limit).startswith("depth 6 (95")


@pytest.mark.usefixtures("modules")
def test_the_store_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.yaml").write_text(SWEEP)
    sweep = load_sweep(tmp_path / "own.yaml")
    written = as_written(manifest_of(sweep, sweep.trials(), {}, "0"))
    monkeypatch.delitem(sys.modules, "somebodys_depths")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path)])
    assert read_manifest(written).sweep.depth_units == {"somebodys_depths:said": "stages"}
