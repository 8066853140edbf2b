"""Checksums for runs of an earlier skipray, which recorded none: of their files as they are now."""

import json
from datetime import UTC, datetime

from skipray import __version__
from skipray.spec import SweepSpec
from skipray.tracking.address import resolve_uri
from skipray.tracking.checksums import are_listed, checksums_of
from skipray.tracking.client import reach
from skipray.tracking.files import list_tree, read_file
from skipray.tracking.read.damage import broken
from skipray.tracking.read.known import known_trials
from skipray.tracking.read.ledger import read_ledger
from skipray.tracking.read.row import RunRow
from skipray.tracking.schema import ARTIFACTS, RECORDED_LATER


def record_checksums(sweep: SweepSpec, tracking_uri: str | None = None) -> int:
    """Record the files of finished runs that have no checksums, and when that was done; those that are damaged are left
    out. What has changed before stays unseen, which the run's tag says.

    Returns:
        How many runs were recorded.
    """
    uri = resolve_uri(sweep, tracking_uri)
    rows = read_ledger(sweep, uri, trials=known_trials(sweep, uri).trials).finished.values()
    return sum(_record(uri, row) for row in rows if not are_listed(row.artifacts))


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
