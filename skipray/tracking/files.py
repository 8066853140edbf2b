"""Files of a run, wherever they lie: in a folder of this machine, or behind a server.

The address of a run's files is recorded as it was when the run was made. A local store that has been moved or copied
has its files beside its database all the same, and there alone they are looked for: a copy never uses the original's,
also where it lacks some.
"""

import contextlib
import os
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from skipray.tracking.address import STORE_FOLDER, sqlite_path, store_folder
from skipray.tracking.checksums import Checksum
from skipray.tracking.client import reach
from skipray.tracking.mlflow_private import bytes_of, files_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

ARTIFACTS = "artifacts"
"""Folder of the store, and of each run below it, as MLflow has it."""

DIRECT_TRIES = 3
"""So often a file is asked for by its name alone where the answer is not what was recorded: a proxy's page, say."""


def local_folder(uri: str, artifact_uri: str, run_id: str) -> Path | None:
    """The folder of a run's files where it is a path of this machine; None where it is behind a server."""
    recorded = _path_of(artifact_uri)
    if recorded is None:
        return None
    beside = folder_beside(uri, run_id)
    return recorded if beside is None or not _is_a_stores(recorded) else beside


def folder_beside(uri: str, run_id: str) -> Path | None:
    """Where a run's files lie beside a SQLite store; None for other stores."""
    if sqlite_path(uri) is None:
        return None
    return store_folder(uri) / ARTIFACTS / run_id / ARTIFACTS


def read_file(uri: str, artifact_uri: str, run_id: str, name: str, *, expected: Checksum | None = None) -> bytes | None:
    """A file's bytes; None when the run has no such file. Raises TrackingAway when it cannot be fetched.

    Args:
        expected: what was recorded of the file. A server's answer that is just this needs no second request that says
            whether there is such a file.
    """
    folder = local_folder(uri, artifact_uri, run_id)
    if folder is not None:
        path = folder / name
        return path.read_bytes() if path.is_file() else None
    for _ in range(DIRECT_TRIES if expected is not None else 0):
        data = reach(uri, lambda c: bytes_of(c, uri, artifact_uri, run_id, name))
        if data is None:
            break
        if expected is not None and not expected.problem(data):
            return data
    with tempfile.TemporaryDirectory(prefix="skipray-") as temporary:

        def fetch(client: "MlflowClient") -> bytes | None:
            repository = files_of(client, uri, artifact_uri, run_id)
            parent = name.rpartition("/")[0]
            if name not in {f.path for f in repository.list_artifacts(parent or None)}:
                return None
            return Path(repository.download_artifacts(name, temporary)).read_bytes()

        return reach(uri, fetch)


def list_files(uri: str, artifact_uri: str, run_id: str, folder: str = "") -> list[str]:
    """Names of the files of a run in one of its folders, with the folder; sorted."""
    local = local_folder(uri, artifact_uri, run_id)
    if local is not None:
        here = local / folder
        return sorted(p.relative_to(local).as_posix() for p in here.iterdir() if p.is_file()) if here.is_dir() else []

    def ask(client: "MlflowClient") -> list[str]:
        repository = files_of(client, uri, artifact_uri, run_id)
        return sorted(f.path for f in repository.list_artifacts(folder or None) if not f.is_dir)

    return reach(uri, ask)


def list_tree(uri: str, artifact_uri: str, run_id: str) -> list[str]:
    """Names of all files of a run, those in its folders too; sorted."""
    local = local_folder(uri, artifact_uri, run_id)
    if local is not None:
        found = [p for p in local.rglob("*") if p.is_file() and not p.is_symlink()] if local.is_dir() else []
        return sorted(p.relative_to(local).as_posix() for p in found)

    def ask(client: "MlflowClient") -> list[str]:
        repository = files_of(client, uri, artifact_uri, run_id)
        names: list[str] = []
        waiting = [""]
        while waiting:
            for file in repository.list_artifacts(waiting.pop() or None):
                (waiting if file.is_dir else names).append(file.path)
        return sorted(names)

    return reach(uri, ask)


def write_files(
    uri: str,
    artifact_uri: str,
    run_id: str,
    files: Mapping[str, bytes],
    *,
    before: Callable[[], None] = lambda: None,
) -> None:
    """Log files on a run: name -> content. On this machine a reader sees each of them whole or not at all.

    Args:
        before: called before each try.

    Raises:
        TrackingAway: they cannot be written, because a disk is full, say, or a server away.
    """
    folder = local_folder(uri, artifact_uri, run_id)

    def send(client: "MlflowClient") -> None:
        if folder is not None:
            for name, content in files.items():
                _write(folder / name, content)
            return
        # MLflow's `log_artifacts` would ask for the run once more, to learn an address that we know.
        with tempfile.TemporaryDirectory(prefix="skipray-") as temporary:
            for name, content in files.items():
                path = Path(temporary) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            files_of(client, uri, artifact_uri, run_id).log_artifacts(temporary)

    reach(uri, send, before=before)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{uuid.uuid4().hex}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()


def _path_of(artifact_uri: str) -> Path | None:
    if not artifact_uri:
        return None
    parsed = urlparse(artifact_uri)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return Path(artifact_uri) if os.path.isabs(artifact_uri) else None  # noqa: PTH117


def _is_a_stores(recorded: Path) -> bool:
    """Whether an address is .../skipray-store/artifacts/RUN/artifacts, as skipray makes them beside a SQLite file."""
    return recorded.parts[-4:-2] == (STORE_FOLDER, ARTIFACTS)
