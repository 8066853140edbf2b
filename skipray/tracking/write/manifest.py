"""Writes what a sweep is on its own run, so that the store explains itself."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from skipray import __version__
from skipray.spec import SweepSpec, TrialSpec
from skipray.spec.manifest import as_written, content_name, manifest_of
from skipray.tracking.address import Address, redact
from skipray.tracking.client import reach
from skipray.tracking.files import list_files
from skipray.tracking.read.former import ACCEPTED_PREFIX, Accepted
from skipray.tracking.read.manifest import FOLDER, read_manifests
from skipray.tracking.read.sweep_run import SweepRun
from skipray.tracking.write.experiment import log_files

if TYPE_CHECKING:
    from mlflow.entities import RunTag


def write_manifest(
    address: Address, sweep: SweepSpec, trials: Iterable[TrialSpec], sizes: Mapping[str, Mapping[str, int]]
) -> str:
    """Add the sweep's manifest to its run; one that says the same is written anew, and so becomes the latest.

    Each is a file of its own, named by its contents: launches at the same time add theirs side by side, and reading
    unites them.

    Args:
        trials: all that the sweep has by now.
        sizes: trial_id -> `parameters`, `flops`, `activation_bytes`, where they are known.

    Returns:
        The file's name.
    """
    manifest = manifest_of(sweep, trials, sizes, __version__, hide=redact)
    name = f"{FOLDER}/{content_name(manifest)}"
    run_id = address.parent_run_id
    log_files(address, {name: as_written(manifest)})
    tags = [_same_code(n, str(s["files"]), str(s["hash"])) for n, s in sweep.sources.items()]
    if tags:
        reach(address.uri, lambda c: c.log_batch(run_id, tags=tags))
    return name


def _same_code(name: str, files: str, parts: str) -> "RunTag":
    """Says that code which was hashed by whole files is this code: its trials stay found when the files are edited."""
    from mlflow.entities import RunTag

    record = Accepted(name, files, parts, (), "", 0)
    return RunTag(f"{ACCEPTED_PREFIX}{files[:12]}-{parts[:12]}", json.dumps(asdict(record)))


def has_manifest(uri: str, run: SweepRun) -> bool:
    """Whether a sweep's run says what the sweep is: those of skipray 0.1 do not."""
    return bool(list_files(uri, run.artifact_uri, run.run_id, FOLDER))


def is_latest(uri: str, run: SweepRun, sweep: SweepSpec, trials: Iterable[TrialSpec]) -> bool:
    """Whether the latest manifest of a sweep's run is that of the sweep as its file is now, with these trials: not
    where the file was put back to what was launched before another one."""
    latest = max(read_manifests(uri, run), key=lambda m: m.written_ms, default=None)
    if latest is None:
        return False
    given = redact(sweep.text), tuple(map(redact, sweep.overrides))
    ids = {t.trial_id for t in latest.sweep.stored or ()}
    return (latest.sweep.text, tuple(latest.sweep.overrides)) == given and ids == {t.trial_id for t in trials}
