"""What is wrong with a sweep's runs and storage, and how it is put right."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from skipray.spec import SweepSpec, TrialSpec
from skipray.storage import awaiting_delivery, living_launch
from skipray.tracking.address import resolve_uri, storage_url
from skipray.tracking.client import reach
from skipray.tracking.read.artifacts import HISTOGRAMS, local_folder, read_artifacts, read_file
from skipray.tracking.read.known import known_trials
from skipray.tracking.read.ledger import child_runs, ledger_of
from skipray.tracking.read.row import RunRow

if TYPE_CHECKING:
    from mlflow import MlflowClient

Kind = Literal["stale", "duplicate", "orphan", "truncated", "undelivered"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    """stale: RUNNING although no launch is living. duplicate: a second run of a finished trial. orphan: a run of no
    trial of the sweep. truncated: a finished run whose files are missing or damaged. undelivered: a result in the
    storage."""
    trial_id: str
    run_id: str
    what: str
    """In plain words."""
    remedy: str
    """What `repair` does about it; empty when it leaves it alone."""


def examine(
    sweep: SweepSpec,
    tracking_uri: str | None = None,
    *,
    trials: Iterable[TrialSpec] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Finding]:
    """Look at every run of the sweep's experiment, at its files, and at the storage. Changes nothing."""
    uri = resolve_uri(sweep, tracking_uri)
    storage = storage_url(sweep, uri)
    wanted = {t.trial_id for t in (known_trials(sweep, uri).trials if trials is None else trials)}
    rows = list(child_runs(uri, sweep.name))
    ledger = ledger_of(rows)
    launched = living_launch(storage, sweep.name)
    findings: list[Finding] = []
    by_trial: dict[str, list[RunRow]] = defaultdict(list)
    for row in rows:
        by_trial[row.trial_id].append(row)
    for trial_id, of_trial in by_trial.items():
        if trial_id not in wanted:
            findings += [
                Finding("orphan", trial_id, r.run_id, "a run of no trial of this sweep, as the file is now", "")
                for r in of_trial
            ]
            continue
        winner = ledger.finished.get(trial_id)
        for row in of_trial:
            if winner is not None and row.run_id != winner.run_id:
                what = f"a second run of a trial that run {winner.run_id} has finished ({row.status})"
                findings.append(Finding("duplicate", trial_id, row.run_id, what, "marked as deleted"))
            elif row.status == "RUNNING" and launched is None:
                what = "RUNNING although no launch of the sweep is living"
                findings.append(
                    Finding("stale", trial_id, row.run_id, what, "ended as KILLED; the next launch resumes it")
                )
    for count, trial_id in enumerate(i for i in wanted if i in ledger.finished):
        broken = _broken(uri, ledger.finished[trial_id])
        if broken:
            remedy = "marked as deleted; the next launch runs the trial again"
            findings.append(Finding("truncated", trial_id, ledger.finished[trial_id].run_id, broken, remedy))
        if count % 1000 == 999:
            say(f"files of {count + 1} runs looked at")
    findings += [
        Finding("undelivered", i, "", "a result waits in the storage; the next launch delivers it", "")
        for i in awaiting_delivery(storage, sweep.name)
    ]
    return findings


def repair(sweep: SweepSpec, findings: Iterable[Finding], tracking_uri: str | None = None) -> list[Finding]:
    """Put right what `examine` found, as each finding's remedy says. Nothing is removed for good.

    Returns:
        The findings that were repaired.
    """
    uri = resolve_uri(sweep, tracking_uri)
    done = []
    for finding in findings:
        if not finding.remedy:
            continue

        def mend(mlflow: "MlflowClient", finding: Finding = finding) -> None:
            if finding.kind == "stale":
                mlflow.set_terminated(finding.run_id, "KILLED")
            else:
                mlflow.delete_run(finding.run_id)

        reach(uri, mend)
        done.append(finding)
    return done


def _broken(uri: str, row: RunRow) -> str:
    """What is wrong with a finished run's files; empty when they are whole."""
    folder = local_folder(row)
    if folder is not None and not folder.is_dir():
        return f"its files are gone ({os.fspath(folder)})"
    if read_file(uri, row, "layers.parquet") is None:
        return "layers.parquet is missing"
    if read_artifacts(uri, row) is None:
        return "layers.parquet is damaged"
    if read_file(uri, row, HISTOGRAMS) is not None and read_artifacts(uri, row, HISTOGRAMS) is None:
        return f"{HISTOGRAMS} is damaged"
    for name in ("spectra.npz", "weights.safetensors"):
        data = read_file(uri, row, name)
        if name == "spectra.npz" and data is None:
            return f"{name} is missing"
        if data is not None and not _whole(name, data):
            return f"{name} is damaged"
    return ""


def _whole(name: str, data: bytes) -> bool:
    """By the file's own account of its length: a zip's directory at its end, or safetensors' offsets."""
    import io
    import json
    import zipfile

    if name.endswith(".npz"):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return archive.testzip() is None
        except zipfile.BadZipFile:
            return False
    if len(data) < 8:
        return False
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError:
        return False
    ends = [value["data_offsets"][1] for key, value in header.items() if key != "__metadata__"]
    return len(data) == 8 + length + max(ends, default=0)
