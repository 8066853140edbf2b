"""What a run's files suffer is named: any bit that flips, any byte that is lost, in every kind of file."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from skipray import launch, tracking
from skipray.records import Bins, Histogram
from skipray.spec import SweepSpec
from skipray.storage import TrialPlace, artifacts_of
from skipray.tracking.checksums import checksums_of, read_checksums
from skipray.tracking.files import read_file, write_files
from skipray.tracking.read.artifacts import read_artifacts
from skipray.tracking.read.integrity import words_beside
from skipray.tracking.read.ledger import child_runs
from skipray.tracking.read.manifest import read_manifests

FILES = ("layers.parquet", "spectra.npz", "weights.safetensors", "histograms.parquet")


@pytest.fixture
def recorded(sqlite: str, toys: SimpleNamespace) -> tuple[SweepSpec, str]:
    sweep = toys.sweep(depths=(8,), seeds=(0,))
    address = tracking.prepare(sweep, sqlite)
    bins = Bins((0.0, 0.5), (0.0, 1.0), (3, 7))
    for trial in sweep.trials():
        lease = TrialPlace(tracking.storage_url(sweep, sqlite), sweep.name, trial.trial_id).acquire()
        recorder = tracking.Recorder(address, trial, lease)
        recorder.start()
        recorder.finish(replace(toys.record(trial), histograms=(Histogram(2, "blocks.0", 0, "hidden", bins),)))
    tracking.write_manifest(address, sweep, sweep.trials(), {})
    return sweep, sqlite


def damage_of(sweep: SweepSpec, uri: str, **options: bool) -> list[tuple[str, str]]:
    rows = tracking.read_ledger(sweep, uri).finished.values()
    return [(d.file, d.what) for d in tracking.damaged(uri, rows, **options)]


def path_of(sweep: SweepSpec, uri: str, name: str) -> Path:
    row = next(iter(tracking.read_ledger(sweep, uri).finished.values()))
    return Path(row.artifact_uri) / name


def test_ten_flipped_bits_and_a_truncation_of_each_file_are_named(recorded: tuple[SweepSpec, str]) -> None:
    sweep, uri = recorded
    assert damage_of(sweep, uri) == []
    for name in FILES:
        path = path_of(sweep, uri, name)
        whole = path.read_bytes()
        for i in range(10):
            torn = bytearray(whole)
            torn[i * (len(whole) - 1) // 9] ^= 1 << (i % 8)
            path.write_bytes(torn)
            ((file, what),) = damage_of(sweep, uri)
            assert file == name
            assert "sha256" in what
        path.write_bytes(whole[:-1])
        assert damage_of(sweep, uri) == [(name, f"is truncated ({len(whole) - 1} bytes of {len(whole)})")]
        path.unlink()
        assert damage_of(sweep, uri) == [(name, "is missing")]
        path.write_bytes(whole)
    assert damage_of(sweep, uri) == []


def test_a_flipped_bit_in_a_manifest_is_never_read_and_the_doctor_names_it(recorded: tuple[SweepSpec, str]) -> None:
    """A factor, a seed or a size of another trial would be a wrong number too."""
    sweep, uri = recorded
    run = tracking.find_sweep_run(uri, sweep.name)
    assert run is not None
    (path,) = Path(run.artifact_uri).glob("manifest/*.json")
    whole = path.read_bytes()
    assert len(read_manifests(uri, run)) == 1
    for at in [*(i * (len(whole) - 1) // 9 for i in range(10)), whole.index(b'"written_ms":') + 15]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert read_manifests(uri, run) == [], f"byte {at}: {whole[at - 20 : at + 20]!r}"
    (found,) = tracking.examine(sweep, uri)
    assert (found.kind, f"manifest/{path.name}" in found.what) == ("truncated", True)
    path.write_bytes(whole[:-1])
    assert read_manifests(uri, run) == []
    path.write_bytes(whole)
    assert tracking.examine(sweep, uri) == []


def test_what_the_sweeps_own_run_holds_is_named_too(recorded: tuple[SweepSpec, str]) -> None:
    """Its report, its text, its environment, and the list of their checksums."""
    sweep, uri = recorded
    address = tracking.open_sweep(sweep, uri)
    tracking.log_files(address, {"report.html": "<p>All is well." * 50, "trials.csv": b"a,b\n1,2\n"}, folder="report")
    assert tracking.examine(sweep, uri) == []
    run = tracking.find_sweep_run(uri, sweep.name)
    assert run is not None
    root = Path(run.artifact_uri)
    held = [p for p in root.rglob("*") if p.is_file() and p.parent.name != "manifest"]
    assert {p.relative_to(root).parts[0] for p in held} >= {"report", "checksums.json"}
    assert len(held) >= 5
    for path in held:
        name, whole = path.relative_to(root).as_posix(), path.read_bytes()
        for torn in [*(_flipped(whole, i * (len(whole) - 1) // 9) for i in range(10)), whole[:-1]]:
            path.write_bytes(torn)
            found = tracking.examine(sweep, uri)
            assert {one.kind for one in found} == {"truncated"}, name
            assert path.name == "checksums.json" or [one.what.startswith(name) for one in found] == [True]
            # What status, the report and a launch with nothing to do look at, without fetching from a server.
            quick = words_beside(sweep.name, tracking.damaged_beside(uri, run))
            assert quick == [one.what for one in found], name
        path.write_bytes(whole)
        path.unlink()
        (one,) = tracking.examine(sweep, uri)
        assert one.what.startswith(f"{name} of the sweep's own run is missing: ")
        path.write_bytes(whole)
    (manifest,) = root.glob("manifest/*.json")
    kept = manifest.read_bytes()
    manifest.unlink()
    (one,) = tracking.examine(sweep, uri)
    assert one.what.startswith(f"manifest/{manifest.name} of the sweep's own run is missing: the runs themselves")
    manifest.write_bytes(kept)
    assert tracking.examine(sweep, uri) == []


def test_the_sweeps_own_run_of_an_earlier_release_has_no_lists(recorded: tuple[SweepSpec, str]) -> None:
    sweep, uri = recorded
    run = tracking.find_sweep_run(uri, sweep.name)
    assert run is not None
    (Path(run.artifact_uri) / "checksums.json").unlink()
    assert len(tracking.examine(sweep, uri)) == 1
    MlflowClient(uri).delete_tag(run.run_id, "skipray.artifacts")
    assert tracking.examine(sweep, uri) == []
    root = Path(run.artifact_uri)
    (root / "report").mkdir()
    (root / "report" / "report.html").write_text("<p>")
    names = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
    assert tracking.record_own_checksums(sweep, uri) == len(names) >= 4
    assert tracking.record_own_checksums(sweep, uri) == 0
    assert tracking.examine(sweep, uri) == []
    for name in (*names, "checksums.json", "report/checksums.json"):
        whole = (root / name).read_bytes()
        (root / name).write_bytes(_flipped(whole, len(whole) // 2))
        assert [f.what.partition(" of the")[0] for f in tracking.examine(sweep, uri)] == [name]
        (root / name).write_bytes(whole)


def test_an_edited_list_of_a_runs_files_hides_no_damage(recorded: tuple[SweepSpec, str]) -> None:
    sweep, uri = recorded
    row = next(iter(tracking.read_ledger(sweep, uri).finished.values()))
    for text in ("abc", '{"layers.parquet": 3}'):
        MlflowClient(uri).set_tag(row.run_id, "skipray.artifacts", text)
        said: list[str] = []
        path = path_of(sweep, uri, "layers.parquet")
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        (found,) = tracking.examine(sweep, uri, say=said.append)
        assert "layers.parquet is damaged" in found.what
        assert said[0].startswith("1 run was recorded without checksums")
        path.write_bytes(whole)


def test_checksums_are_recorded_late_when_asked_and_never_of_a_damaged_file(recorded: tuple[SweepSpec, str]) -> None:
    sweep, uri = recorded
    rows = list(tracking.read_ledger(sweep, uri).finished.values())
    for row in rows:
        MlflowClient(uri).delete_tag(row.run_id, "skipray.artifacts")
    path = path_of(sweep, uri, "spectra.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert tracking.record_checksums(sweep, uri) == len(rows) - 1
    path.write_bytes(whole)
    assert tracking.record_checksums(sweep, uri) == 1
    assert tracking.record_checksums(sweep, uri) == 0
    assert "skipray.checksums_recorded" in MlflowClient(uri).get_run(rows[0].run_id).data.tags
    path.write_bytes(_flipped(whole, len(whole) // 2))
    assert [file for file, _ in damage_of(sweep, uri)] == ["spectra.npz"]


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_a_flipped_bit_is_never_read_as_a_number(recorded: tuple[SweepSpec, str]) -> None:
    sweep, uri = recorded
    path = path_of(sweep, uri, "layers.parquet")
    whole = path.read_bytes()
    row = next(iter(tracking.read_ledger(sweep, uri).finished.values()))
    for i in range(10):
        torn = bytearray(whole)
        torn[4 + i * (len(whole) - 9) // 9] ^= 4
        path.write_bytes(torn)
        assert read_artifacts(uri, row) is None
    path.write_bytes(whole)
    assert read_artifacts(uri, row) is not None


def test_the_doctor_sees_a_change_that_left_no_time(recorded: tuple[SweepSpec, str]) -> None:
    """A disk that forgets a bit does not change the file's times, by which the quick look goes."""
    import os

    sweep, uri = recorded
    path = path_of(sweep, uri, "spectra.npz")
    assert damage_of(sweep, uri) == []
    times = path.stat()
    torn = bytearray(path.read_bytes())
    torn[100] ^= 1
    path.write_bytes(torn)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert damage_of(sweep, uri) == []
    ((file, _),) = damage_of(sweep, uri, thorough=True)
    assert file == "spectra.npz"
    (finding,) = tracking.examine(sweep, uri)
    assert (finding.kind, "spectra.npz" in finding.what) == ("truncated", True)


def test_what_is_damaged_decides_the_remedy(recorded: tuple[SweepSpec, str]) -> None:
    sweep, uri = recorded
    assert tracking.examine(sweep, uri) == []
    weights, layers = (path_of(sweep, uri, n) for n in ("weights.safetensors", "layers.parquet"))
    kept = {p: p.read_bytes() for p in (weights, layers)}
    layers.write_bytes(b"x")
    assert [f.action for f in tracking.examine(sweep, uri)] == ["measure"]
    weights.write_bytes(b"x")
    assert [f.action for f in tracking.examine(sweep, uri)] == ["delete"]
    layers.write_bytes(kept[layers])
    assert [f.action for f in tracking.examine(sweep, uri)] == [""]


def test_a_measurements_files_are_covered(recorded: tuple[SweepSpec, str], toys: SimpleNamespace) -> None:
    sweep, uri = recorded
    trial = sweep.trials()[0]
    run = tracking.finished_run(uri, tracking.winning_runs(sweep, uri)[trial.trial_id])
    record = toys.record(trial)
    tracking.add_measurement(uri, run, "abcd", tracking.Measured({}, record.layers, dict(record.spectra)))
    row = tracking.read_ledger(sweep, uri).finished[trial.trial_id]
    names = set(read_checksums(row.artifacts))
    assert names >= {*artifacts_of(record), "measurements/abcd/layers.parquet"}
    (Path(row.artifact_uri) / "measurements/abcd/layers.parquet").write_bytes(b"x")
    assert [file for file, _ in damage_of(sweep, uri)] == ["measurements/abcd/layers.parquet"]
    assert "measure" in [f.action for f in tracking.examine(sweep, uri)]


def test_a_moved_store_has_its_files_and_a_copy_uses_its_own(
    recorded: tuple[SweepSpec, str], toys: SimpleNamespace, tmp_path: Path
) -> None:
    sweep, uri = recorded
    before = tracking.read_layers(sweep, uri)
    copy, moved = tmp_path / "a copy", tmp_path / "möved to"
    for folder in (copy, moved):
        folder.mkdir()
        for path in tmp_path.glob("skipray.db*"):  # what SQLite has not written into the file yet lies beside it
            shutil.copy(path, folder)
        shutil.copytree(tmp_path / "skipray-store" / "artifacts", folder / "skipray-store" / "artifacts")
    for path in copy.glob("skipray-store/artifacts/*/artifacts/layers.parquet"):
        path.write_bytes(b"the copy's own")
    assert len(damage_of(sweep, f"sqlite:///{copy}/skipray.db")) == len(sweep.trials())
    assert damage_of(sweep, uri) == []
    shutil.rmtree(tmp_path / "skipray-store")
    there = f"sqlite:///{moved}/skipray.db"
    assert damage_of(sweep, there) == []
    assert tracking.examine(sweep, there) == []
    assert tracking.read_layers(sweep, there)["value"].tolist() == before["value"].tolist()
    more = toys.sweep(depths=(14,), seeds=(0,))
    for trial in more.trials():
        toys.record_one(more, trial, there)
    assert len(tracking.read_layers(more, there)) > 0
    assert not (tmp_path / "skipray-store" / "artifacts").exists(), "what is new was written to where the store was"


@pytest.mark.parametrize("lost", ["one run's", "all"])
def test_a_copy_that_lacks_files_says_so_and_leaves_the_original_alone(
    recorded: tuple[SweepSpec, str], tmp_path: Path, lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep, uri = recorded
    tracking.finish_sweep(tracking.open_sweep(sweep, uri))
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "skipray-store", copy / "skipray-store")
    shutil.copy(tmp_path / "skipray.db", copy)
    runs = [copy / "skipray-store" / "artifacts" / row.run_id for row in child_runs(uri, sweep.name)]
    for run in runs if lost == "all" else runs[:1]:
        shutil.rmtree(run)
    there = f"sqlite:///{copy}/skipray.db"
    found = tracking.examine(sweep, there)
    assert len(found) == (len(runs) if lost == "all" else 1)
    assert all(one.what.startswith(f"its files are gone ({copy}") for one in found)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "skipray-store").rglob("*")}
    written = {"measurements/abcd/layers.parquet": b"x"}
    for row in child_runs(there, sweep.name):
        write_files(there, row.artifact_uri, row.run_id, written)
        assert read_file(there, row.artifact_uri, row.run_id, "measurements/abcd/layers.parquet") == b"x"
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "skipray-store").rglob("*")} == before
    assert tracking.examine(sweep, uri) == []


def test_the_doctor_says_what_was_done_and_what_would_be(
    recorded: tuple[SweepSpec, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep, uri = recorded
    shutil.rmtree(next(Path(row.artifact_uri).parent for row in child_runs(uri, sweep.name)))
    remedy = "marked as deleted; the next launch runs the trial again"
    for asked, said, count in ((False, "with --repair: ", 0), (True, "repaired: ", 1)):
        arguments = ["doctor", sweep.name, "--tracking-uri", uri, *(["--repair"] if asked else [])]
        assert launch.run(arguments) == 0
        out = capsys.readouterr().out
        assert f"): {said}{remedy}\n1 finding, {count} repaired\n" in out


def test_an_edited_tag_says_nothing() -> None:
    for text in ("", "abc", "[]", '{"a": 1}', '{"a": [1]}', "{"):
        assert read_checksums(text) == {}
    one = read_checksums(checksums_of({"a": b"12"}, checksums_of({"b": b"3"})))
    assert {name: c.size for name, c in one.items()} == {"a": 2, "b": 1}
