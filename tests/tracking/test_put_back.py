"""A file that is put back to what was launched before: the store says what the last launch did."""

import os
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from skipray import launch, tracking
from skipray.spec import load_sweep

TEXT = """
name: mine
question: which settings are these?
dataset: {{name: digits}}
model: {{width: 16, kind: mlp, normalization: none, initialisation: he_normal, activation: relu}}
recipe: {{epochs: {epochs}, batch_size: 64, learning_rate: 0.1, momentum: 0.9, weight_decay: 0, schedule: constant,
  augmentation: none}}
factors: {{architecture: [plainnet], depth: {depths}}}
seeds: [0]
"""


@pytest.fixture
def launched(tmp_path: Path, sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two epochs, then three."""
    monkeypatch.chdir(tmp_path)
    for epochs in (2, 3):
        Path("mine.yaml").write_text(TEXT.format(epochs=epochs, depths=[4, 8]))
        sweep = load_sweep("mine.yaml")
        address = tracking.prepare(sweep, sqlite)
        for trial in sweep.trials():
            toys.record_one(sweep, trial, sqlite)
        tracking.write_manifest(address, sweep, sweep.trials(), {})
        tracking.finish_sweep(address)
    return sqlite


def epochs_of(uri: str, folder: str = ".") -> set[tuple[int, int]]:
    """(Depth, epochs) of an exported table's rows, asked for in a folder."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        assert launch.run(["export", "mine", "mine.csv", "--force", "--tracking-uri", uri]) == 0
        table = pd.read_csv("mine.csv")
    finally:
        os.chdir(here)
    assert not table.duplicated(["depth", "seed"]).any()
    return set(zip(table["depth"], table["recipe.epochs"], strict=True))


def test_the_store_says_what_was_launched_last(launched: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert epochs_of(launched) == epochs_of(launched, "elsewhere") == {(4, 3), (8, 3)}
    Path("mine.yaml").write_text(TEXT.format(epochs=2, depths=[4, 8]))
    assert launch.run(["launch", "mine.yaml", "--no-report", "--tracking-uri", launched]) == 0
    assert epochs_of(launched) == epochs_of(launched, "elsewhere") == {(4, 2), (8, 2)}
    stored = tracking.stored_sweep("mine", launched)
    assert stored is not None
    assert {cell.recipe.epochs for cell in stored.sweep.cells} == {2}
    run = tracking.find_sweep_run(launched, "mine")
    assert run is not None
    held = (Path(run.artifact_uri) / "sweep" / "mine.yaml").read_text()
    assert "epochs: 2" in held, "the run's own copy of the file too"
    written = sorted(Path(run.artifact_uri).glob("manifest/*.json"), key=lambda p: p.stat().st_mtime)
    times = [path.stat().st_mtime_ns for path in written]
    assert launch.run(["launch", "mine.yaml", "--no-report", "--tracking-uri", launched]) == 0
    assert [path.stat().st_mtime_ns for path in written] == times, "nothing new to say"


def test_a_table_has_what_the_file_selects_and_says_what_it_leaves_out(
    launched: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.yaml").write_text(TEXT.format(epochs=2, depths=[8]))
    capsys.readouterr()
    assert epochs_of(launched) == {(8, 2)}
    said = capsys.readouterr()
    assert "mine: 3 finished trials of the store are no part of the sweep as its file is now, and left out" in said.err
    assert "mine.csv: 1 trial, " in said.out
