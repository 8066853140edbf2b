"""Writes what a sweep is on its own run, so that the store explains itself."""

import json
from collections.abc import Iterable, Mapping

from skipray import __version__
from skipray.spec import SweepSpec, TrialSpec
from skipray.spec.manifest import content_name, manifest_of
from skipray.tracking.address import Address, redact
from skipray.tracking.files import list_files, write_files
from skipray.tracking.read.manifest import FOLDER
from skipray.tracking.read.sweep_run import SweepRun


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
    content = json.dumps(manifest, separators=(",", ":")).encode()
    write_files(address.uri, address.artifacts_of(run_id), run_id, {name: content})
    return name


def has_manifest(uri: str, run: SweepRun) -> bool:
    """Whether a sweep's run says what the sweep is: those of skipray 0.1 do not."""
    return bool(list_files(uri, run.artifact_uri, run.run_id, FOLDER))
