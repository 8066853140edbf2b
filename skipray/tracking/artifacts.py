"""Files of a run: its tables read back, and whether a run's files are whole."""

import tempfile
from pathlib import Path
from urllib.parse import unquote, urlparse

import pandas as pd
import pyarrow as pa

from skipray.records import LAYER_COLUMNS
from skipray.storage import layers_from_parquet
from skipray.tracking.cache import concatenated
from skipray.tracking.client import reach
from skipray.tracking.row import RunRow

HISTOGRAMS = "histograms.parquet"
_KEY = [c for c in LAYER_COLUMNS if c not in ("version", "value", "censored", "reason")]
"""What tells one row of layers.parquet from another."""
_PLAIN = {c: object for c in _KEY if c not in ("epoch", "layer_index", "centred")}
"""Words of two tables have different categories, which do not compare."""


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


def read_artifacts(uri: str, row: RunRow, name: str = "layers.parquet") -> pd.DataFrame | None:
    """A run's layers.parquet; None when it is missing or damaged (`skipray doctor` says which)."""
    data = read_file(uri, row, name)
    if data is None:
        return None
    try:
        return layers_from_parquet(data)
    except (pa.ArrowException, ValueError, OSError):
        return None


def read_run_histograms(uri: str, row: RunRow) -> pd.DataFrame | None:
    """A run's histograms, and for epochs that it has none of those that a later measurement found; None where none."""
    frames: list[pd.DataFrame] = []
    for name in (HISTOGRAMS, *(f"measurements/{m}/{HISTOGRAMS}" for m in row.measured)):
        found = read_artifacts(uri, row, name)
        if found is not None:
            have = {epoch for f in frames for epoch in f["epoch"].unique()}
            frames.append(found[~found["epoch"].isin(have)])
    return concatenated(frames) if frames else None


def read_measurement(uri: str, row: RunRow, measurement: str) -> pd.DataFrame | None:
    """The layers of one measurement of a run's weights; None where the run has not got it."""
    if measurement not in row.measured:
        return None
    return read_artifacts(uri, row, f"measurements/{measurement}/layers.parquet")


def read_with_measurements(uri: str, row: RunRow) -> pd.DataFrame | None:
    """A run's layers, and what only later measurements of its weights have, from the oldest that has it."""
    layers = read_artifacts(uri, row)
    if layers is None or not row.measured:
        return layers
    for measurement in row.measured:
        found = read_measurement(uri, row, measurement)
        if found is not None:
            new = ~pd.MultiIndex.from_frame(found[_KEY].astype(_PLAIN)).isin(
                pd.MultiIndex.from_frame(layers[_KEY].astype(_PLAIN))
            )
            layers = concatenated([layers, found[new]])
    return layers
