"""A sweep out of an archive into a store.

What the store has already stays as it is: to import twice is to import once.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skipray.spec import DatasetSpec, ProbeSpec, Resources, SweepSpec, Tracking
from skipray.tracking.address import Address
from skipray.tracking.checksums import LIST
from skipray.tracking.client import reach
from skipray.tracking.exchange.archive import ArchiveReader, BadArchive
from skipray.tracking.exchange.archived_run import numbers_of, read_run
from skipray.tracking.files import list_tree, write_files
from skipray.tracking.read.launches import PARAM
from skipray.tracking.read.ledger import child_runs
from skipray.tracking.schema import ARTIFACTS, KIND, PARENT, SWEEP, TRIAL_ID
from skipray.tracking.write.experiment import finish_sweep, log_files, open_sweep

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BATCH = 1000
"""Values that MLflow takes in one request."""
IMPORTED = "skipray.imported"
"""Tag of a run: the run_id that it had where it was made."""
PARAMS_BATCH = 100
REPORT = "report/"
"""Before the names of the report's files on the sweep's run."""
NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"


@dataclass(frozen=True)
class Imported:
    """What was added to the store."""

    name: str
    runs: int
    known: int
    """Runs that the store had already."""


def import_archive(path: Path, tracking_uri: str | None = None) -> Imported:
    """Add an archive's sweep to a store; nothing of it where any part is damaged.

    Raises:
        BadArchive: it is none, it is damaged, or it names files outside the runs' folders.
        TrackingAway: the store cannot be reached.
    """
    with ArchiveReader(path) as archive:
        archive.check()
        told = {number: read_run(archive, number) for number in numbers_of(archive)}
        parents = [n for n, run in told.items() if run["tags"].get(KIND) == "sweep"]
        name = str(archive.index.get("sweep", ""))
        if len(parents) != 1:
            raise BadArchive(f"{path}: found {len(parents)} runs of a sweep's own; allowed: one")
        address = open_sweep(_named(name, str(archive.index.get("question", ""))), tracking_uri)
        have = {row.trial_id for row in child_runs(address.uri, name) if row.is_finished}
        _fill_parent(address, archive, parents[0], told[parents[0]])
        added = 0
        for number, run in told.items():
            if run["tags"].get(KIND) == "trial" and run["tags"].get(TRIAL_ID) not in have:
                _add(address, archive, number, run)
                added += 1
        finish_sweep(address, told[parents[0]]["status"])
        return Imported(name, added, len(told) - 1 - added)


def _named(name: str, question: str) -> SweepSpec:
    """As much of a sweep as its experiment needs."""
    if not re.match(NAME, name):
        raise BadArchive(f"found the sweep's name {name!r}; allowed: lower-case letters, digits, '.', '_' and '-'")
    return SweepSpec(
        path=Path(f"{name}.yaml"),
        text="",
        overrides=(),
        name=name,
        question=question,
        dataset=DatasetSpec(name="digits"),
        factors={},
        seeds=(),
        probe=ProbeSpec(),
        resources=Resources(),
        tracking=Tracking(),
        cells=(),
    )


def _fill_parent(address: Address, archive: ArchiveReader, number: str, told: dict[str, Any]) -> None:
    """Manifests, report and what was accepted; launches of the other store are not this one's. What is there stays:
    a report is never written over by one of an older archive."""
    uri, run_id = address.uri, address.parent_run_id
    files = dict(archive.files(number))
    have = set(list_tree(uri, address.artifacts_of(run_id), run_id))
    known = reach(uri, lambda c: c.get_run(run_id)).data.tags
    left_out = (PARAM, "mlflow.", *((ARTIFACTS,) if have else ()))
    _tags(uri, run_id, {k: v for k, v in told["tags"].items() if k not in known and not k.startswith(left_out)})
    if not have:
        write_files(uri, address.artifacts_of(run_id), run_id, files)
        return
    log_files(address, {n: c for n, c in files.items() if n not in have and n != LIST and not n.startswith(REPORT)})
    if not any(name.startswith(REPORT) for name in have):
        of_report = {n.removeprefix(REPORT): c for n, c in files.items() if n.startswith(REPORT)}
        log_files(address, {n: c for n, c in of_report.items() if n != LIST}, folder=REPORT.rstrip("/"))


def _add(address: Address, archive: ArchiveReader, number: str, told: dict[str, Any]) -> None:
    tags = told["tags"] | {PARENT: address.parent_run_id, IMPORTED: str(told.get("run_id", ""))}

    def create(mlflow: "MlflowClient") -> "Run":
        return mlflow.create_run(
            address.experiment_id, start_time=told.get("start"), tags=_short(tags), run_name=told.get("name")
        )

    run = reach(address.uri, create)
    run_id = str(run.info.run_id)
    write_files(address.uri, run.info.artifact_uri, run_id, dict(archive.files(number)))
    _tags(address.uri, run_id, {k: v for k, v in tags.items() if k not in _short(tags)})
    _log(address.uri, run_id, told)
    # The status comes last, as in a launch: a run that is not whole is not finished.
    end, status = told.get("end"), str(told["status"])
    if status == "RUNNING":
        status = "KILLED"
    reach(address.uri, lambda c: c.set_terminated(run_id, status, end))


def _short(tags: dict[str, str]) -> dict[str, str]:
    """The tags that a run is found by; the others come when its files are there."""
    return {k: v for k, v in tags.items() if k in (KIND, SWEEP, TRIAL_ID, PARENT, IMPORTED)}


def _tags(uri: str, run_id: str, tags: dict[str, str]) -> None:
    from mlflow.entities import RunTag

    entries = [RunTag(str(k), str(v)) for k, v in tags.items()]
    for start in range(0, len(entries), PARAMS_BATCH):
        part = entries[start : start + PARAMS_BATCH]
        reach(uri, lambda c, part=part: c.log_batch(run_id, tags=part))  # type: ignore[misc]


def _log(uri: str, run_id: str, told: dict[str, Any]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    params = [Param(str(k), str(v)) for k, v in told["params"].items()]
    for start in range(0, len(params), PARAMS_BATCH):
        some = params[start : start + PARAMS_BATCH]
        reach(uri, lambda c, some=some: c.log_batch(run_id, params=some))  # type: ignore[misc]
    metrics = [Metric(str(k), float(v), int(time), int(step)) for k, step, time, v in told["metrics"]]
    for start in range(0, len(metrics), BATCH):
        part = metrics[start : start + BATCH]
        reach(uri, lambda c, part=part: c.log_batch(run_id, metrics=part))  # type: ignore[misc]
    inputs = [
        DatasetInput(
            Dataset(**{k: d["dataset"][k] for k in ("name", "digest", "source_type", "source") if k in d["dataset"]}),
            [InputTag(str(k), str(v)) for k, v in d.get("tags", {}).items()],
        )
        for d in told.get("datasets") or []
    ]
    if inputs:
        reach(uri, lambda c: c.log_inputs(run_id, inputs))
