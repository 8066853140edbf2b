"""Finished runs are read once: what was read of them is kept as Parquet files beside the store.

A finished run does not change, so its rows are valid as long as the run exists; which runs exist and win is asked of
the store each time. A file's name is the sha256 of what is in it: one that has changed since it was written is
removed, said, and its runs are read from the store again.
"""

import contextlib
import hashlib
import logging
import uuid
from collections.abc import Collection
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from skipray.tracking.address import redact, store_folder

VERSION = 2
"""Of the cached tables; raised when a change of skipray reads something else out of a run."""
MAX_PARTS = 16
"""More files than this are merged into one."""

log = logging.getLogger(__name__)


class Cache:
    """One kind of table of one experiment: rows by `run_id`.

    Args:
        uri: the store's address; it only enters the folder's name, as a hash of what is left when secrets are removed.
        kind: trials, histories or layers, with what it was restricted to.
    """

    def __init__(self, uri: str, experiment: str, kind: str):
        key = hashlib.sha256(f"{VERSION}/{redact(uri)}/{experiment}/{kind}".encode()).hexdigest()[:16]
        self.folder = store_folder(uri) / "cache" / key

    def read(self, run_ids: Collection[str], columns: list[str] | None = None) -> tuple[list[pd.DataFrame], set[str]]:
        """Rows of the given runs as far as they are cached, and the runs that are not."""
        missing = set(run_ids)
        frames = []
        for path in sorted(self.folder.glob("*.parquet")) if self.folder.is_dir() else []:
            try:
                held = _held(path)
                fresh = missing.intersection(held)
                if not fresh:
                    continue
                frame = pq.read_table(pa.BufferReader(_verified(path)), columns=columns).to_pandas()
            except (_Changed, OSError, *UNREADABLE) as error:
                log.warning("the cache file %s is passed over, its runs are read from the store: %s", path.name, error)
                if not isinstance(error, OSError):
                    self._remove(path)
                continue
            frames.append(frame if len(fresh) == len(held) else frame[frame["run_id"].isin(fresh)])
            missing -= fresh
        return frames, missing

    def run_ids(self) -> set[str]:
        """The runs that are cached."""
        held: set[str] = set()
        for path in self.folder.glob("*.parquet") if self.folder.is_dir() else []:
            try:
                held.update(_held(path))
            except (OSError, *UNREADABLE):
                continue  # `read` says so
        return held

    def add(self, run_ids: Collection[str], rows: pd.DataFrame) -> Path | None:
        """Keep the rows of runs; a run without rows is kept as such. Where the folder is read-only nothing is kept.

        Returns:
            The file that holds them.
        """
        table = pa.Table.from_pandas(rows, preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"run_ids": ",".join(run_ids).encode()})
        content = pa.BufferOutputStream()
        pq.write_table(table, content, compression="zstd")
        data = content.getvalue()
        return self.put(hashlib.sha256(data).hexdigest(), data)

    def has(self, sha256: str) -> bool:
        """Whether a file with this content is kept."""
        return (self.folder / f"{sha256}.parquet").is_file()

    def put(self, sha256: str, content: "bytes | pa.Buffer") -> Path | None:
        """Keep a file, which may have been made elsewhere.

        Returns:
            Where it is; None where the folder is read-only.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            aside = self.folder / f".{uuid.uuid4().hex}"
            aside.write_bytes(content)
            return aside.replace(self.folder / f"{sha256}.parquet")
        except OSError as error:
            log.warning("what was read back cannot be cached: %s", error)
            return None

    def _remove(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)

    def merge(self) -> None:
        """Make one file of many."""
        paths = sorted(self.folder.glob("*.parquet")) if self.folder.is_dir() else []
        if len(paths) <= MAX_PARTS:
            return
        held = self.run_ids()
        frames, missing = self.read(held)
        self.add(sorted(held - missing), concatenated(frames))
        for path in paths:
            self._remove(path)


UNREADABLE = (ValueError, KeyError, TypeError, pa.ArrowException)
"""What reading a damaged Parquet file raises."""


class _Changed(Exception):
    """A cache file is not what its name says."""

    def __str__(self) -> str:
        return "it has changed since it was written"


def _verified(path: Path) -> bytes:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != path.stem:
        raise _Changed
    return data


def _held(path: Path) -> list[str]:
    """The runs of a cache file."""
    return held_in(pq.read_schema(path))


def held_in(schema: pa.Schema) -> list[str]:
    """The runs that a table says it holds."""
    return list(schema.metadata[b"run_ids"].decode().split(","))


def concatenated(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames one below the other, columns united, categories kept."""
    frames = [f for f in frames if len(f)]
    if not frames:
        return pd.DataFrame()
    if len(frames) == 1:
        return frames[0].reset_index(drop=True)
    for name in {n for f in frames for n in f.columns if isinstance(f[n].dtype, pd.CategoricalDtype)}:
        having = [f for f in frames if name in f]
        words = pd.api.types.union_categoricals([f[name].astype("category") for f in having]).categories
        frames = [f.assign(**{name: f[name].astype(pd.CategoricalDtype(words))}) if name in f else f for f in frames]
    return pd.concat(frames, ignore_index=True)
