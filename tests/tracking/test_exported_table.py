"""A sweep as a table: what people read of it, and what `skipray import` makes of it again."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from skipray import launch, tracking
from skipray.analysis.aggregation import aggregate
from skipray.records import EpochRecord
from skipray.spec import SearchRange, Tune
from skipray.storage import TrialPlace
from skipray.tracking.exchange.exported_table import export_table, table_of
from skipray.tracking.exchange.prior import import_table
from skipray.tracking.exchange.table import BadTable

GOLDEN = Path(__file__).parents[1] / "golden" / "store" / "store.zip"


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("golden")
    with zipfile.ZipFile(GOLDEN) as archive:
        archive.extractall(folder)
    return f"sqlite:///{folder}/skipray.db"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_imported_again_is_the_same(golden: str, sqlite: str, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"golden{suffix}"
    made = export_table("golden", path, golden)
    import_table(path, "again", sqlite)
    there, here = tracking.read_trials("golden", golden), tracking.read_trials("again", sqlite)
    assert made.trials == len(there) == len(here)
    by = ["architecture", "depth", "seed"]
    there, here = (frame.sort_values(by, ignore_index=True) for frame in (there, here))
    numbers = [c for c in pd.read_parquet(path) if c not in by] if suffix == ".parquet" else list(pd.read_csv(path))
    shared = [c for c in numbers if c in there and pd.api.types.is_numeric_dtype(there[c])]
    assert {"train.accuracy", "test.loss", "gap.accuracy", "hidden.log10_condition.median"} <= {*shared}
    pd.testing.assert_frame_equal(there[shared], here[shared], check_exact=True, check_dtype=False)
    assert there["outcome"].tolist() == here["outcome"].tolist()
    for field in ("model.width", "model.kind", "recipe.learning_rate", "recipe.epochs", "dataset.name"):
        assert there[field].tolist() == here[field].tolist(), field
    stored, again = tracking.stored_sweep("golden", golden), tracking.stored_sweep("again", sqlite)
    assert stored is not None
    assert again is not None
    assert [g.label for g, _ in aggregate(again.sweep).limits] == [g.label for g, _ in aggregate(stored.sweep).limits]
    limits = [
        [(limit.depth, limit.low, limit.high, limit.censored) for _, limit in aggregate(sweep).limits]
        for sweep in (stored.sweep, again.sweep)
    ]
    assert limits[0] == limits[1]


def test_points_of_a_study_are_left_out_and_each_setting_is_told_once() -> None:
    trials = pd.DataFrame(
        {
            "trial_id": ["a", "b", "c"],
            "architecture": "resnet",
            "depth": 8,
            "seed": 0,
            "phase": ["final", "tune", "final"],
            "setting": ["default", "point", "tuned"],
            "point": pd.array([None, 0, None], dtype="Int64"),
            "recipe.learning_rate": [0.1, 0.3, 0.1],
            "outcome": "trained",
            "learning_rate": [0.0, 0.0, 0.0],
            "train.accuracy": [0.5, 0.6, 0.5],
        }
    )
    table = table_of(trials)
    columns = ["setting", "architecture", "depth", "seed", "recipe.learning_rate", "outcome", "train.accuracy"]
    assert list(table) == columns
    both = [[setting, "resnet", 8, 0, 0.1, "trained", 0.5] for setting in ("default", "tuned")]
    assert table.to_numpy().tolist() == both, "here both settings are the same trial"


TUNE = Tune(space={"learning_rate": SearchRange(low=1e-3, high=1.0, scale="log")}, trials=4, seeds=(100,), extensions=0)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_tuned_sweep_that_is_imported_again_is_judged_by_its_tuned_finals(
    sqlite: str, toys: SimpleNamespace, tmp_path: Path, suffix: str
) -> None:
    sweep = replace(toys.sweep(depths=(8, 14), seeds=(0, 1)), tune=TUNE)
    address = tracking.prepare(sweep, sqlite)
    for phase in ("tune", "final"):
        for trial in [t for t in tracking.known_trials(sweep, sqlite).trials if t.phase == phase]:
            cell = [c.cell for c in sweep.cells].index(trial.cell)
            accuracy = 0.9 if trial.point == cell % 4 else 0.3 + trial.seed / 100
            lease = TrialPlace(tracking.storage_url(sweep, sqlite), sweep.name, trial.trial_id).acquire()
            recorder = tracking.Recorder(address, trial, lease)
            recorder.start()
            values = {"validation.accuracy": accuracy, "validation.loss": 1.0, "train.accuracy": accuracy}
            epochs = (EpochRecord(2, 1_700_000_000_000, values),)
            recorder.finish(replace(toys.record(trial), epochs=epochs))
    known = tracking.known_trials(sweep, sqlite)
    tuned = {t.cell: t.recipe.learning_rate for t in known.trials if t.setting == "tuned"}
    assert known.to_come == 0
    assert len(set(tuned.values())) > 1
    tracking.write_manifest(address, sweep, known.trials, {})
    path = tmp_path / f"toy{suffix}"
    export_table("toy", path, sqlite)
    import_table(path, "back", sqlite)
    again = tracking.stored_sweep("back", sqlite)
    assert again is not None
    assert set(again.sweep.factors) <= {"architecture", "depth"}, "what tuning chose is no factor"
    here, there = aggregate(again.sweep, sqlite), aggregate(sweep, sqlite)
    assert set(here.trials["setting"]) == {"tuned"}
    by = ["architecture", "depth", "seed", "recipe.learning_rate", "train.accuracy"]
    left, right = (a.trials[by].sort_values(by, ignore_index=True) for a in (here, there))
    pd.testing.assert_frame_equal(left, right, check_dtype=False, check_exact=True)
    assert len(here.coverage) == len(there.coverage) == len(sweep.cells)
    twice = tmp_path / f"twice{suffix}"
    export_table("back", twice, sqlite)
    assert twice.read_bytes() == path.read_bytes() or suffix == ".parquet"


def test_another_setting_is_refused(sqlite: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("architecture,depth,seed,setting,train.accuracy\na,8,0,best,0.5\n")
    with pytest.raises(BadTable, match="row 1: setting: found 'best'; allowed: default, tuned"):
        import_table(path, "a", sqlite)


def test_what_a_table_cannot_tell_is_refused(
    sqlite: str, toys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toys.sweep(depths=(8,), seeds=(0,))
    address = tracking.prepare(sweep, sqlite)
    for trial in sweep.trials():
        toys.record_one(sweep, trial, sqlite)
    tracking.write_manifest(address, sweep, sweep.trials(), {})
    ruled = table_of(tracking.read_trials("toy", sqlite)).assign(**{"recipe.learning_rate": "0.1, as the depth says"})
    monkeypatch.setattr("skipray.tracking.exchange.exported_table.table_of", lambda trials: ruled)
    with pytest.raises(BadTable, match=r"toy cannot be told as a table: .*allowed: an archive, `skipray export toy`"):
        export_table("toy", tmp_path / "toy.csv", sqlite)
    assert not [*tmp_path.glob("*toy*")]


def test_the_command(golden: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "of all.CSV"
    assert launch.run(["export", "golden", str(path), "--tracking-uri", golden, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["trials"] == len(pd.read_csv(path))
    before = path.read_bytes()
    assert launch.run(["export", "golden", str(path), "--tracking-uri", golden]) == 2
    assert "there already; allowed: another name, or --force" in capsys.readouterr().err
    assert launch.run(["export", "golden", str(path), "--tracking-uri", golden, "--force"]) == 0
    assert path.read_bytes() == before
    capsys.readouterr()
    assert launch.run(["export", "absent", str(tmp_path / "absent.csv"), "--tracking-uri", golden]) == 2
    assert "found no sweep 'absent'" in capsys.readouterr().err
