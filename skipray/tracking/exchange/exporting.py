"""A sweep out of a store, with runs, files and report, into one file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from skipray import __version__
from skipray.errors import written_to
from skipray.outputs import check_output
from skipray.tracking.address import is_sql, resolve_uri
from skipray.tracking.checksums import read_checksums
from skipray.tracking.client import reach
from skipray.tracking.exchange.archive import ArchiveWriter, safe_name
from skipray.tracking.files import list_tree, read_file
from skipray.tracking.read.ledger import child_runs
from skipray.tracking.read.shared_tables import FOLDER as TABLES
from skipray.tracking.read.shared_tables import TAG
from skipray.tracking.read.sweep_run import find_sweep_run, no_sweep
from skipray.tracking.read.tables import METRIC_VALUES, away, engine
from skipray.tracking.schema import ARTIFACTS

if TYPE_CHECKING:
    from mlflow.entities import Run

ENDING = ".zip"
"""What the name of an archive's file ends with."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    runs: int
    files: int


def export_sweep(name: str, path: Path, tracking_uri: str | None = None, *, force: bool = False) -> Exported:
    """Write a sweep's runs, those that were deleted left out, into an archive.

    Args:
        force: whether a file that is there is written over.

    Raises:
        skipray.errors.InputRefused: the file is there already, or can never be written.
        TrackingRefused: the store has no such sweep.
        TrackingAway: the store cannot be reached.
    """
    check_output(path, (ENDING,), replace=force)
    uri = resolve_uri(None, tracking_uri)
    sweep = find_sweep_run(uri, name)
    if sweep is None:
        raise no_sweep(uri, name)
    run_ids = [sweep.run_id, *sorted(row.run_id for row in child_runs(uri, name))]
    count = 0
    with written_to(path), ArchiveWriter(path) as archive:
        numbers = {}
        for position, run_id in enumerate(run_ids):
            number = numbers[run_id] = f"{position:06d}"
            run = reach(uri, lambda c, r=run_id: c.get_run(r))  # type: ignore[misc]
            archive.add(f"runs/{number}.json", json.dumps(_told(uri, run), sort_keys=True).encode())
            recorded = read_checksums(run.data.tags.get(ARTIFACTS, ""))
            for file in list_tree(uri, run.info.artifact_uri, run_id):
                if run_id == sweep.run_id and file.startswith(f"{TABLES}/"):
                    continue  # of runs by the ids that they have here
                data = read_file(uri, run.info.artifact_uri, run_id, file, expected=recorded.get(file))
                if data is not None:
                    archive.add(f"files/{number}/{safe_name(file)}", data)
                    count += 1
        archive.about(sweep=name, question=sweep.tags.get("mlflow.note.content", ""), skipray=__version__)
        archive.about(runs=list(numbers.values()))
    return Exported(path, len(run_ids), count)


def _told(uri: str, run: "Run") -> dict[str, Any]:
    info, data = run.info, run.data
    return {
        "run_id": info.run_id,
        "name": info.run_name,
        "status": info.status,
        "start": info.start_time,
        "end": info.end_time,
        "tags": {key: value for key, value in data.tags.items() if not key.startswith(TAG)},
        "params": dict(data.params),
        "metrics": sorted(_values(uri, run)),
        "datasets": [i.to_dictionary() for i in (run.inputs.dataset_inputs if run.inputs else [])],
    }


def _values(uri: str, run: "Run") -> Iterator[list[Any]]:
    """Key, step, time (ms) and value of everything that was logged; Python's JSON keeps every bit of a double."""
    if not is_sql(uri):
        for key in run.data.metrics:
            for m in reach(uri, lambda c, k=key: c.get_metric_history(run.info.run_id, k)):  # type: ignore[misc]
                yield [key, m.step, m.timestamp, m.value]
        return
    of = METRIC_VALUES
    query = select(of.c.key, of.c.step, of.c.timestamp, of.c.value, of.c.is_nan)
    try:
        with engine(uri).connect() as connection:
            for key, step, time, value, is_nan in connection.execute(query.where(of.c.run_uuid == run.info.run_id)):
                yield [key, int(step), int(time), float("nan") if is_nan else float(value)]
    except SQLAlchemyError as error:
        raise away(uri, error) from None
