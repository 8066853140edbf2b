"""Leases, checkpoints and undelivered results, on a disk and in an object store."""

import dataclasses
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skipray.records import LAYER_COLUMNS, Bins, EpochRecord, Histogram, TrialRecord
from skipray.spec import load_sweep
from skipray.storage import (
    AlreadyRunning,
    Failure,
    Fenced,
    SweepLease,
    TrialPlace,
    awaiting_delivery,
    decode_result,
    encode_result,
    foreign_files,
    living_launch,
    open_folder,
    still_owns,
)
from skipray.storage.cache import cache_folder
from skipray.storage.folder import ObjectFolder
from skipray.tracking.schema import result_tags


@pytest.fixture(params=["disk", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder, and fsspec's object store in memory."""
    return str(tmp_path / "storage") if request.param == "disk" else f"memory://{tmp_path.name}"


def make_record(trial_id: str = "ab") -> TrialRecord:
    rows = [
        (epoch, f"blocks.{i}", i, "hidden", "matrix", centred, "eval", "rms", 1, value, -1, reason)
        for epoch in (0, 300)
        for i, (value, reason, centred) in enumerate([(1.5, "", True), (np.nan, "nonfinite", False)])
    ]
    return TrialRecord(
        trial_id=trial_id,
        outcome="untrained",
        epochs=(EpochRecord(0, 1, {"a": 0.1}), EpochRecord(300, 2, {"a": 1 / 3, "b": -1e-300})),
        layers=pd.DataFrame(rows, columns=list(LAYER_COLUMNS)),
        spectra={"0/blocks.0/hidden/matrix/raw": np.array([3.0, 0.1])},
        profiles={"profile.x": (0.1, 0.2)},
        profile_layers={"profile.x": (0, 2)},
        histograms=(
            Histogram(0, "stem", 0, "hidden", Bins((0.0, 0.0, 0.5), (0.0, 0.5, 1.0), (3, 2**40, 1))),
            Histogram(0, "stem", 0, "weight", Bins((-1 / 3,), (-1 / 3,), (7,))),
            Histogram(300, "stem", 0, "hidden", Bins((0.1,), (0.2,), (9,))),
        ),
        weights=b"weights",
        train_seconds=1.1,
        probe_seconds=0.1,
        environment={"torch": "2", "compile": "default"},
        compiling={"asked": "auto", "ran": "default", "compile_seconds": 1 / 3, "twins": [{"depth": 8, "step": 0.1}]},
    )


def test_a_result_comes_back_as_it_was() -> None:
    record = make_record()
    back = decode_result(encode_result(record))
    for field in dataclasses.fields(TrialRecord):
        if field.name not in ("layers", "spectra"):
            assert getattr(back, field.name) == getattr(record, field.name), field.name
    assert back.spectra.keys() == record.spectra.keys()
    np.testing.assert_array_equal(*(r.spectra["0/blocks.0/hidden/matrix/raw"] for r in (back, record)))
    for column in LAYER_COLUMNS:
        assert back.layers[column].tolist() == pytest.approx(record.layers[column].tolist(), nan_ok=True) or (
            back.layers[column].tolist() == record.layers[column].tolist()
        ), column


def test_what_was_compiled_is_a_tag_of_the_run() -> None:
    sweep = load_sweep(Path(__file__).resolve().parents[1] / "sweeps" / "quickstart.yaml")
    record = make_record()
    tags = result_tags(sweep.trials()[0], record, 1)
    assert json.loads(tags["skipray.compiling"]) == record.compiling
    assert json.loads(tags["skipray.environment"])["compile"] == "default"
    plain = dataclasses.replace(record, compiling={})
    assert "skipray.compiling" not in result_tags(sweep.trials()[0], plain, 1)


@pytest.mark.parametrize("cut", [1, 100, 500])
def test_a_truncated_result_is_refused(cut: int) -> None:
    with pytest.raises(ValueError, match="truncated or damaged"):
        decode_result(encode_result(make_record())[:-cut])


def test_no_pickle_is_loaded_from_a_result() -> None:
    import io
    import zipfile

    buffer = io.BytesIO()
    np.savez(buffer, evil=np.array([{"a": 1}], dtype=object))
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(encode_result(make_record()))) as old, zipfile.ZipFile(data, "w") as new:
        for name in old.namelist():
            new.writestr(name, buffer.getvalue() if name == "spectra.npz" else old.read(name))
    with pytest.raises(ValueError, match="allow_pickle"):
        decode_result(data.getvalue())


def test_a_newer_attempt_fences_the_older(storage: str) -> None:
    place = TrialPlace(storage, "sweep", "ab")
    first = place.acquire()
    first.save(b"one")
    second = place.acquire()
    assert (first.attempt, second.attempt) == (1, 2)
    for forbidden in (
        lambda: first.save(b"late"),
        lambda: first.save_result(make_record()),
        lambda: first.save_failure(Failure("error", "", "", 0)),
        first.check,
    ):
        with pytest.raises(Fenced):
            forbidden()
    assert second.load() == b"one"
    second.save(b"two")
    assert second.load() == b"two"


def test_an_attempt_is_over_when_its_trial_was_delivered(storage: str) -> None:
    place = TrialPlace(storage, "sweep", "ab")
    first, second = place.acquire(), place.acquire()
    second.save_result(make_record("ab"))
    second.remove_delivered()
    assert place.folder.names() == ["attempt-000002.json"]
    with pytest.raises(Fenced):
        first.check()
    assert place.acquire().attempt == 3, "an attempt that has not heard of the end is no first one"
    place.remove()
    with pytest.raises(Fenced):
        first.check()
    again = TrialPlace(storage, "sweep", "ab").acquire()  # bears the number of the first, but not its token
    assert again.attempt == first.attempt
    with pytest.raises(Fenced):
        first.check()
    again.check()


def test_two_checkpoints_are_kept_and_the_newest_valid_one_wins(storage: str) -> None:
    place = TrialPlace(storage, "sweep", "ab")
    lease = place.acquire()
    assert lease.load() is None
    for i in range(5):
        lease.save(f"state {i}".encode() * 100)
    states = [n for n in place.folder.names() if n.startswith("state-")]
    assert len(states) == 2
    whole = place.folder.read(states[-1])
    assert whole is not None
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    other_version = whole.replace(b'"format": 1', b'"format": 9')
    other_trial = whole.replace(b'"trial_id": "ab"', b'"trial_id": "cd"')
    for damaged in (whole[:-1], whole[:20], b"", bytes(flipped), other_version, other_trial, b"not a checkpoint"):
        assert damaged != whole
        place.folder.write(states[-1], damaged)
        assert lease.load() == b"state 3" * 100
    place.folder.write(states[0], b"")
    assert lease.load() is None


def _acquire(storage: str, ready: "multiprocessing.synchronize.Barrier", out: "multiprocessing.Queue[int]") -> None:
    place = TrialPlace(storage, "sweep", "ab")
    ready.wait(60)
    for _ in range(20):
        out.put(place.acquire().attempt)


def test_two_processes_never_get_the_same_attempt(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, out = context.Barrier(2), context.Queue()
    workers = [context.Process(target=_acquire, args=(str(tmp_path), ready, out)) for _ in range(2)]
    for worker in workers:
        worker.start()
    attempts = [out.get(timeout=60) for _ in range(40)]
    for worker in workers:
        worker.join(60)
    assert sorted(attempts) == list(range(1, 41))


def test_results_and_failures_wait_for_delivery(storage: str) -> None:
    done, failed, neither = (TrialPlace(storage, "sweep", i).acquire() for i in ("aa", "bb", "cc"))
    done.save_result(make_record("aa"))
    failed.save_failure(Failure("error", "boom", "trace", 7))
    neither.save(b"state")
    assert awaiting_delivery(storage, "sweep") == ["aa", "bb"]
    found = done.place.load_result()
    assert found is not None
    assert (found[0].trial_id, found[1]) == ("aa", 1)
    assert failed.place.load_failure() == Failure("error", "boom", "trace", 7, attempt=1)
    done.remove_delivered()
    failed.remove_failure()
    assert awaiting_delivery(storage, "sweep") == []


@pytest.mark.parametrize("name", ["..", "a/b", "", ".hidden", "/etc", "a\\b"])
def test_names_cannot_leave_their_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="allowed"):
        TrialPlace(tmp_path, "sweep", name)
    with pytest.raises(ValueError, match="allowed"):
        open_folder(tmp_path).write(name, b"")


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = TrialPlace(tmp_path, "sweep", "ab").acquire()
    lease.save(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        lease.save(b"new")
    assert lease.load() == b"old"
    assert not [p for p in (tmp_path / "sweep" / "ab").iterdir() if p.name.startswith(".")]


def test_a_second_launch_sees_the_living_one(storage: str) -> None:
    with SweepLease(storage, "sweep"):
        with pytest.raises(AlreadyRunning, match=rf"process {os.getpid()} on "):
            SweepLease(storage, "sweep").acquire()
        owner = living_launch(storage, "sweep")
        assert owner is not None
        assert owner.pid == os.getpid()
        assert living_launch(storage, "another") is None
    assert living_launch(storage, "sweep") is None
    with SweepLease(storage, "sweep"):
        pass


def test_a_worker_sees_that_its_launch_was_followed_by_another(storage: str) -> None:
    first = SweepLease(storage, "sweep").acquire()
    assert still_owns(storage, "sweep", first.mark)
    first.release()
    assert not still_owns(storage, "sweep", first.mark)
    with SweepLease(storage, "sweep") as second:
        assert still_owns(storage, "sweep", second.mark)


def test_a_killed_launch_is_replaced_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time; from skipray.storage import SweepLease; SweepLease(sys.argv[1], 'sweep').acquire(); "
        "print('mine', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"mine\n"
        with pytest.raises(AlreadyRunning, match=f"process {child.pid} "):
            SweepLease(tmp_path, "sweep").acquire()
    finally:
        child.kill()
        child.wait()
    started = time.monotonic()
    with SweepLease(tmp_path, "sweep"):
        assert time.monotonic() - started < 5


def _foreign(storage: Path, heartbeat: float) -> Path:
    """Rewrites the launch's file as that of another machine."""
    (path,) = (storage / "sweep").glob("launch-*.json")
    owner = json.loads(path.read_text()) | {"machine": "elsewhere", "host": "elsewhere", "heartbeat": heartbeat}
    path.write_text(json.dumps(owner))
    return path


@pytest.mark.parametrize("seconds_ago", [600.0, -600.0])
def test_a_silent_launch_of_another_machine_is_replaced(tmp_path: Path, seconds_ago: float) -> None:
    """Also one whose clock is ahead: only a renewal while one looks proves life."""
    old = SweepLease(tmp_path, "sweep", heartbeat_seconds=30).acquire()
    _foreign(tmp_path, time.time() - seconds_ago)
    new = SweepLease(tmp_path, "sweep", heartbeat_seconds=0.1).acquire()
    assert not new.lost.is_set()
    new.release()
    old.lost.set()
    old.release()


def test_a_lease_whose_storage_was_removed_is_lost_to_nobody(tmp_path):
    lease = SweepLease(tmp_path, "sweep", heartbeat_seconds=0.05)
    with lease:
        shutil.rmtree(tmp_path / "sweep")
        assert lease.lost.wait(10)
        assert lease.gone


def test_a_recent_launch_of_another_machine_is_living(tmp_path: Path) -> None:
    with SweepLease(tmp_path, "sweep", heartbeat_seconds=30) as lease:
        _foreign(tmp_path, time.time() - 5)
        with pytest.raises(AlreadyRunning, match="on elsewhere"):
            SweepLease(tmp_path, "sweep").acquire()
        lease.lost.set()


def test_a_launch_that_was_replaced_notices(tmp_path: Path) -> None:
    lease = SweepLease(tmp_path, "sweep", heartbeat_seconds=0.05).acquire()
    (tmp_path / "sweep" / "launch-000009.json").write_text("{}")
    assert lease.lost.wait(10)
    with pytest.raises(Fenced):
        lease.check()
    lease.release()


def test_a_launch_ends_though_its_storage_has_become_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = SweepLease(str(tmp_path), "sweep").acquire()

    def refuse(name: str) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(lease._folder, "remove", refuse)
    lease.release()
    assert living_launch(str(tmp_path), "sweep") is not None, "its file is still there, and this process lives"


def test_what_a_stores_client_raises_is_an_os_error() -> None:
    """botocore's error for an endpoint that is away is none; a worker must take it for a storage that is away."""

    class EndpointAway(Exception):
        pass

    class Away:
        async_impl = True

        def __getattr__(self, name: str) -> object:
            def refuse(*arguments: object, **options: object) -> None:
                raise EndpointAway("no route")

            return refuse

    folder = ObjectFolder(Away(), "bucket/prefix")
    for act in (
        lambda: folder.read("a"),
        lambda: folder.write("a", b""),
        lambda: folder.create("a", b""),
        folder.names,
        lambda: folder.remove("a"),
        folder.remove_all,
    ):
        with pytest.raises(OSError, match="EndpointAway: no route"):
            act()


FOREIGN = (
    "README.txt",
    "notes (1).txt",
    "attempt-copy of 1.json",
    "state",
    "result-1",
    "failure-000001.json.bak",
    "Thumbs.db",
)


def test_what_is_not_ours_is_named_and_left_alone(tmp_path: Path) -> None:
    """Whatever lies in a sweep's folder and in a trial's: attempts end, are delivered and removed beside it."""
    trial_id = "ab" * 16
    place = TrialPlace(tmp_path, "sweep", trial_id)
    lease = place.acquire()
    folder = tmp_path / "sweep"
    for name in FOREIGN:
        (folder / name).write_text("{")
        (folder / trial_id / name).write_text("{")
    for name in ("lost+found", "copy of a trial"):
        (folder / name).mkdir()
        (folder / trial_id / name).mkdir()
    (folder / trial_id / ".state-000001-000009.0123456789ab").write_text("of a writer that was killed")
    lease.save(b"state")
    lease.save_failure(Failure("error", "why", "", 1))
    lease.save_result(make_record(trial_id))
    assert place.load_state() == b"state"
    assert awaiting_delivery(tmp_path, "sweep") == [trial_id]
    with SweepLease(tmp_path, "sweep"):
        named = foreign_files(tmp_path, "sweep")
    everything = (*FOREIGN, "lost+found", "copy of a trial")
    assert named == sorted([*everything, *(f"{trial_id}/{name}" for name in everything)])
    lease.remove_delivered()
    place.remove()
    left = {p.relative_to(folder).as_posix() for p in folder.rglob("*")} - {trial_id}
    assert left == set(named)


def test_a_trial_without_foreign_files_leaves_nothing(storage: str) -> None:
    place = TrialPlace(storage, "sweep", "ab" * 16)
    place.acquire().save(b"state")
    place.remove()
    assert open_folder(storage, "sweep").names() == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"kind": 1}', '{"kind": "a", "message": "b"}'])
def test_a_failure_that_is_none_is_passed_over(tmp_path: Path, text: str) -> None:
    place = TrialPlace(tmp_path, "sweep", "ab" * 16)
    lease = place.acquire()
    (tmp_path / "sweep" / place.trial_id / "failure-000001.json").write_text(text)
    assert place.load_failure() is None
    (tmp_path / "sweep" / place.trial_id / "attempt-000001.json").write_text(text)
    with pytest.raises(Fenced):
        lease.check()


def test_where_what_can_be_made_again_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("SKIPRAY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "skipray"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder().name == f"skipray-{os.getuid()}"
