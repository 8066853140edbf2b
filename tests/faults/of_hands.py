"""Faults of hands: what people and programs do to a store and its storage while a sweep runs, or behind its back.

They share a sweep. What is foreign is named and left alone; what was taken away is run again, once.
"""

import subprocess
import sys
from collections.abc import Sequence

from launching import environment_of
from mlflow import MlflowClient
from sharing import name_of, shared
from stage import Disturbed, Stage

FILES = {
    "README.txt": b"Do not delete.",
    "notes (1).txt": b"",
    "launch-copy of 1.json": b"{",
    "launch-999999.json.bak": b"{}",
    "failure-000001.json": b'{"kind": ',
    ".DS_Store": b"\0\0\0\1",
}
FOLDERS = ("lost+found", ".snapshot", "copy of a trial")
TAGS = {
    "skipray.attempt": "abc",
    "skipray.probe": "[]",
    "skipray.environment": "{",
    "skipray.numerics": "newest",
    "skipray.point": "-",
    "skipray.measured": ",,",
}
NAMES = ("foreign-files-in-the-storage", "foreign-runs", "run-deleted", "tags-edited", "experiment-deleted")


def play(stage: Stage, faults: Sequence[str]) -> Disturbed:
    client = MlflowClient(stage.cluster.tracking_uri)
    with stage.disturb(name_of("hands", stage, faults), seeds=2) as it:
        it.row.allowed_seconds = None
        launch = it.launch()
        it.training()
        it.strike()
        experiment = client.get_experiment_by_name(it.name).experiment_id
        for fault, begin in (("foreign-files-in-the-storage", _litter), ("foreign-runs", _foreign_runs)):
            if fault in faults:
                with it.part(fault):
                    begin(it, client, experiment)
        if "run-deleted" in faults:
            with it.part("run-deleted"):
                it.wait(lambda: it.finished() > 0, "a finished trial")
                client.delete_run(
                    next(run for _, status, run in stage.database.trial_runs(it.name) if status == "FINISHED")
                )
        it.expect_exit(launch, 0)
        if "run-deleted" in faults:
            with it.part("run-deleted"):
                again = it.launch()
                it.expect_exit(again, 0)
                it.expect(again.told().get("ran") == 1, f"the one trial ran again: {again.told().get('ran')}")
        if "tags-edited" in faults:
            with it.part("tags-edited"):
                _tags(it, client)
        if "experiment-deleted" in faults:
            with it.part("experiment-deleted"):
                _experiment(it, client, experiment)
        if "foreign-files-in-the-storage" in faults:
            with it.part("foreign-files-in-the-storage"):
                _litter_is_left(it)
        if "foreign-runs" in faults:
            with it.part("foreign-runs"):
                _foreign_runs_are_left(it, client, experiment)
    return it


def _litter(it: Disturbed, client: MlflowClient, experiment: str) -> None:
    """Into the sweep's own folder, and into that of a trial which is being trained."""
    place = it.storage / it.name
    for folder in FOLDERS:
        (place / folder).mkdir()
    for name, content in FILES.items():
        (place / name).write_bytes(content)
        (place / "copy of a trial" / name).write_bytes(content)
    trial, _ = it.training()
    (place / trial / "README.txt").write_bytes(b"Do not delete.")


def _litter_is_left(it: Disturbed) -> None:
    place = it.storage / it.name
    done = _verb(it, "doctor")
    it.expect(done.returncode == 0 and "notes (1).txt" in done.stderr, f"doctor names them: {done.stderr[-300:]!r}")
    for path in place.glob("*/README.txt"):
        if (
            path.parent.name not in FOLDERS
        ):  # of the trial that was being trained: it has outlived the trial's own files
            path.unlink()
            path.parent.rmdir()
    for name, content in FILES.items():
        path = place / name
        it.expect(path.is_file() and path.read_bytes() == content, f"{name} was left alone")
        path.unlink(missing_ok=True)
        (place / "copy of a trial" / name).unlink(missing_ok=True)
    for folder in FOLDERS:
        it.expect((place / folder).is_dir(), f"{folder} was left alone")
        (place / folder).rmdir()


def _foreign_runs(it: Disturbed, client: MlflowClient, experiment: str) -> None:
    client.create_run(experiment, run_name="by hand")
    client.create_run(
        experiment, run_name="of another sweep", tags={"skipray.trial_id": "ab" * 16, "skipray.kind": "trial"}
    )


def _foreign_runs_are_left(it: Disturbed, client: MlflowClient, experiment: str) -> None:
    runs = [r for r in client.search_runs([experiment]) if r.info.run_name in ("by hand", "of another sweep")]
    it.expect(len(runs) == 2, f"both foreign runs are there: {len(runs)}")
    said = _verb(it, "doctor").stdout
    it.expect("a run of no trial of this sweep" in said, f"doctor names the one of another sweep: {said[-200:]!r}")
    for run in runs:
        client.delete_run(run.info.run_id)


def _tags(it: Disturbed, client: MlflowClient) -> None:
    """Of a finished run, one after the other; every verb goes on, and the tag is then what it was."""
    _, _, run = next(r for r in it.stage.database.trial_runs(it.name) if r[1] == "FINISHED")
    before = client.get_run(run).data.tags
    for key, value in TAGS.items():
        client.set_tag(run, key, value)
    for verb in ("status", "aggregate", "doctor"):
        done = _verb(it, verb)
        it.expect(done.returncode == 0, f"{verb} ends with 0, not {done.returncode}: {done.stderr[-300:]!r}")
        it.expect("Traceback" not in done.stderr, f"{verb} shows no traceback")
    for key in TAGS:
        if key in before:
            client.set_tag(run, key, before[key])
        else:
            client.delete_tag(run, key)


def _experiment(it: Disturbed, client: MlflowClient, experiment: str) -> None:
    """Deleted in MLflow when all is finished: every verb sees it, and doctor brings it back."""
    client.delete_experiment(experiment)
    for verb in ("status", "doctor"):
        done = _verb(it, verb)
        words = done.stdout + done.stderr
        it.expect("deleted" in words, f"{verb} says that it was deleted: {words[-300:]!r}")
    refused = it.launch()
    it.expect_exit(refused, 2, "deleted")
    done = _verb(it, "doctor", "--repair")
    it.expect("repaired" in done.stdout, f"doctor restores it: {done.stdout[-300:]!r}")
    it.expect(client.get_experiment(experiment).lifecycle_stage == "active", "the experiment is there again")
    _verb(it, "doctor", "--repair")  # MLflow has brought back what had been deleted before, the twin of a later run
    again = it.launch()
    it.expect_exit(again, 0)
    it.expect(again.told().get("ran") == 0, f"nothing ran again: {again.told().get('ran')}")


def _verb(it: Disturbed, *words: str) -> "subprocess.CompletedProcess[str]":
    verb, *options = words
    return subprocess.run(
        [sys.executable, "-m", "skipray", verb, it.file.name, *options],
        cwd=it.file.parent,
        env=environment_of(it.file, it.variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


FAULTS = shared("hands", play, NAMES)
