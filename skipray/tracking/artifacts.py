"""Files of a run: layers.parquet read back, and whether a run's files are whole."""

import tempfile
from pathlib import Path
from urllib.parse import unquote, urlparse

import pandas as pd
import pyarrow as pa

from skipray.storage import layers_from_parquet
from skipray.tracking.client import reach
from skipray.tracking.ledger import RunRow


def local_folder(row: RunRow) -> Path | None:
    """The run's artifact folder where it is a path of this machine; None where it is behind a server."""
    parsed = urlparse(row.artifact_uri)
    if parsed.scheme in ("", "file") and row.artifact_uri:
        return Path(unquote(parsed.path)) if parsed.scheme else Path(row.artifact_uri)
    return None


def read_file(uri: str, row: RunRow, name: str) -> bytes | None:
    """An artifact's bytes; None when the run has no such file. Raises TrackingAway when it cannot be fetched."""
    folder = local_folder(row)
    if folder is not None:
        path = folder / name
        return path.read_bytes() if path.is_file() else None
    with tempfile.TemporaryDirectory(prefix="skipray-") as temporary:

        def fetch(_: object) -> bytes | None:
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            repository = get_artifact_repository(row.artifact_uri, tracking_uri=uri)
            parent = name.rpartition("/")[0]
            if name not in {f.path for f in repository.list_artifacts(parent or None)}:
                return None
            return Path(repository.download_artifacts(name, temporary)).read_bytes()

        return reach(uri, fetch)


def read_artifacts(uri: str, row: RunRow) -> pd.DataFrame | None:
    """A run's layers.parquet; None when it is missing or damaged (`skipray doctor` says which)."""
    data = read_file(uri, row, "layers.parquet")
    if data is None:
        return None
    try:
        return layers_from_parquet(data)
    except (pa.ArrowException, ValueError, OSError):
        return None
