"""What an aggregation is made from, as one hash: where it is the same, the same trends, limits and verdicts follow.

Hashed are the sweep as given and as understood with every trial, the runs with the checksums of their files, what is
damaged or was accepted in the store, skipray's own files, the user's metrics and claims, and the versions that the
last digits depend on. No run's numbers are read and nothing is fitted, so a launch with nothing to do knows in a moment
that its report stands.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import skipray
from skipray import tracking
from skipray.extension import catalog
from skipray.spec import SweepSpec, TrialSpec
from skipray.spec.manifest import content_name, manifest_of
from skipray.tracking import Ledger

PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "mlflow-skinny", "vl-convert-python")
"""What reads, fits and draws."""


def made_from(sweep: SweepSpec, tracking_uri: str | None, trials: Sequence[TrialSpec], ledger: Ledger) -> str:
    """The hash, in hexadecimal.

    Args:
        trials: that the sweep has by now.
        ledger: of these trials.
    """
    uri = tracking.resolve_uri(sweep, tracking_uri)
    run = tracking.find_sweep_run(uri, sweep.name)
    told = [
        content_name(manifest_of(sweep, trials, {}, "")),
        _own_code(sweep),
        [tracking.redact(uri), run.experiment_id if run is not None else ""],
        [sorted(astuple(row) for row in rows.values()) for rows in (ledger.finished, ledger.running, ledger.failed)],
        sorted(astuple(one) for one in tracking.damaged(uri, ledger.finished.values())),
        tracking.damaged_beside(uri, run) if run is not None else [],
        [astuple(one) for one in tracking.accepted_code(sweep, tracking_uri)],
        tracking.declarations(sweep, tracking_uri),
        [platform.python_version(), *_versions(PACKAGES)],
        _own_files(),
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _own_code(sweep: SweepSpec) -> list[str]:
    """The user's own metrics, whose declarations say what is fitted and drawn, and claims, which judge, with the hashes
    of their code. Networks and what else is trained with is in the sweep's sources."""
    names = {name for cell in sweep.cells for name in cell.probe.metrics if ":" in name}
    names |= {claim.kind for claim in sweep.claims.own if ":" in claim.kind}
    found = ((name, catalog.source_of(name)) for name in sorted(names))
    return [f"{name} {source.hash if source is not None else ''}" for name, source in found]


def _versions(packages: Iterable[str]) -> list[str]:
    found = []
    for name in packages:
        try:
            found.append(metadata.version(name))
        except metadata.PackageNotFoundError:
            found.append("")
    return found


@lru_cache
def _own_files() -> str:
    """Of skipray's own files: its version alone does not tell two commits apart."""
    digest = hashlib.sha256(skipray.__version__.encode())
    root = Path(skipray.__file__).parent
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            path = Path(folder, name)
            digest.update(f"{path.relative_to(root)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
