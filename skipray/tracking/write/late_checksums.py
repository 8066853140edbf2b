"""Checksums for runs of an earlier skipray, which recorded none: of their files as they are now; and for what the
sweep's own run holds beside those that are listed."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from skipray import __version__
from skipray.spec import SweepSpec
from skipray.tracking.address import resolve_uri
from skipray.tracking.checksums import LIST, are_listed, checksums_of, read_checksums
from skipray.tracking.client import reach
from skipray.tracking.files import list_tree, read_file
from skipray.tracking.read.damage import broken
from skipray.tracking.read.known import known_trials
from skipray.tracking.read.ledger import read_ledger
from skipray.tracking.read.row import RunRow
from skipray.tracking.read.shared_tables import FOLDER as TABLES
from skipray.tracking.read.sweep_run import find_sweep_run
from skipray.tracking.schema import ARTIFACTS, RECORDED_LATER, list_tag
from skipray.tracking.write.experiment import log_files
from skipray.tracking.write.measurement import address_of

REPORT = "report"
"""Folder of the sweep's run with a list of its own."""


def record_checksums(sweep: SweepSpec, tracking_uri: str | None = None) -> int:
    """Record the files of finished runs that have no checksums, and when that was done; those that are damaged are left
    out. What has changed before stays unseen, which the run's tag says.

    Returns:
        How many runs were recorded.
    """
    uri = resolve_uri(sweep, tracking_uri)
    rows = read_ledger(sweep, uri, trials=known_trials(sweep, uri).trials).finished.values()
    return sum(_record(uri, row) for row in rows if not are_listed(row.artifacts))


def record_own_checksums(sweep: SweepSpec, tracking_uri: str | None = None) -> int:
    """Record the files of the sweep's own run that no list names, and the lists themselves.

    Returns:
        How many files were recorded.
    """
    uri = resolve_uri(sweep, tracking_uri)
    run = find_sweep_run(uri, sweep.name)
    if run is None:
        return 0
    address = replace(address_of(uri, run.run_id), parent_run_id=run.run_id)
    names = [n for n in list_tree(uri, run.artifact_uri, run.run_id) if not n.startswith(f"{TABLES}/")]
    count = 0
    for folder in ("", REPORT):
        prefix = f"{folder}/" if folder else ""
        place = f"{prefix}{LIST}"
        data = read_file(uri, run.artifact_uri, run.run_id, place)
        listed = read_checksums((data or b"").decode(errors="replace"))
        here = [n for n in names if n.startswith(f"{REPORT}/") == bool(folder) and n != place and n not in listed]
        new = {n.removeprefix(prefix): read_file(uri, run.artifact_uri, run.run_id, n) for n in here}
        kept = {name: content for name, content in new.items() if content is not None}
        log_files(address, kept, folder=folder)
        if not kept and data is not None and list_tag(folder) not in run.tags:
            tag = checksums_of({place: data})
            reach(uri, lambda c, f=folder, t=tag: c.set_tag(run.run_id, list_tag(f), t))  # type: ignore[misc]
        count += len(kept)
    return count


def _record(uri: str, row: RunRow) -> bool:
    if any(broken(uri, row)):
        return False
    from mlflow.entities import RunTag

    contents = {}
    for name in list_tree(uri, row.artifact_uri, row.run_id):
        data = read_file(uri, row.artifact_uri, row.run_id, name)
        if data is not None:
            contents[name] = data
    when = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "skipray": __version__}
    tags = [RunTag(ARTIFACTS, checksums_of(contents)), RunTag(RECORDED_LATER, json.dumps(when))]
    reach(uri, lambda c: c.log_batch(row.run_id, tags=tags))
    return True
