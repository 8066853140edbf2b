"""Tables of many finished runs as files of the sweep's own run: through a server one request instead of one a run.

A report that is logged leaves them there (`write/sharing.py`), and another machine takes them into its cache: rows by a
key that holds the run's id, its end, and of tables from files the checksums that the run records. Which runs there are,
which wins and what it records is asked of the runs each time, so that a run that was deleted, measured again or mended
since is read itself. A file that is not what its tag says is passed over.
"""

import hashlib
import json
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from skipray.tracking.address import is_sql
from skipray.tracking.checksums import Checksum
from skipray.tracking.files import read_file
from skipray.tracking.read.cache import UNREADABLE, VERSION, Cache, held_in
from skipray.tracking.read.sweep_run import SweepRun, find_sweep_run

LAYERS, HISTOGRAMS, HISTORIES = "layers", "histograms", "histories None"
"""Kinds of table, as the cache calls them."""
FOLDER = "tables"
"""Of the sweep's run."""
TAG = "skipray.tables."
"""Before the first digits of a file's sha256: JSON with its kind, size, sha256 and the version of the tables."""
FROM_RUNS = 20
"""For fewer runs the sweep's run is not asked."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SharedTable:
    """A file of the sweep's run, as its tag has it."""

    tag: str
    kind: str
    checksum: Checksum

    @classmethod
    def of(cls, kind: str, data: bytes) -> "SharedTable":
        """That has these bytes."""
        digest = hashlib.sha256(data).hexdigest()
        return cls(f"{TAG}{digest[:16]}", kind, Checksum(len(data), digest))

    @property
    def file(self) -> str:
        return f"{FOLDER}/{self.checksum.sha256}.parquet"


def shared_tables(tags: Mapping[str, str]) -> Iterator[SharedTable]:
    """The tables that a sweep's run names; what another version of skipray reads otherwise is left out."""
    for tag, text in sorted(tags.items()):
        if tag.startswith(TAG):
            try:
                told = json.loads(text)
                if int(told["version"]) == VERSION:
                    yield SharedTable(tag, str(told["kind"]), Checksum(int(told["size"]), str(told["sha256"])))
            except (ValueError, TypeError, KeyError):
                continue  # an edited tag names no table


def cache_of(uri: str, experiment: str, kind: str) -> Cache:
    """Where the tables of a kind lie on this machine, each under the name that it has on the run."""
    return Cache(uri, experiment, f"shared {kind}")


def read_shared(uri: str, experiment: str, kind: str, keys: Collection[str]) -> tuple[list[pd.DataFrame], set[str]]:
    """Rows of the runs with these keys as far as the sweep's run has them, and the keys that it has not.

    Databases are read directly, and have none.
    """
    if is_sql(uri):
        return [], set(keys)
    cache = cache_of(uri, experiment, kind)
    frames, missing = cache.read(keys)
    run = find_sweep_run(uri, experiment) if len(missing) >= FROM_RUNS else None
    if run is None or not take(uri, run, cache, kind):
        return frames, missing
    return cache.read(keys)


def take(uri: str, run: SweepRun, cache: Cache, kind: str) -> bool:
    """Fetch the tables of a kind that are not on this machine; whether there were any."""
    taken = False
    for table in shared_tables(run.tags):
        if table.kind == kind and not cache.has(table.checksum.sha256):
            data = read_file(uri, run.artifact_uri, run.run_id, table.file, expected=table.checksum)
            what = wrong_with(table, data)
            if what:
                log.warning("%s of the sweep's own run is passed over, its runs are read: it %s", table.file, what)
            elif data is not None:
                cache.put(table.checksum.sha256, data)
                taken = True
    return taken


def wrong_with(table: SharedTable, data: bytes | None) -> str:
    """Why a table's bytes are not read, in words; empty where they are whole."""
    what = table.checksum.problem(data)
    if what or data is None:
        return what
    try:
        schema = pq.read_schema(pa.BufferReader(data))
        held_in(schema)
    except UNREADABLE:
        return "is no table of runs"
    return "" if "run_id" in schema.names else "is no table of runs"


def wrong_tables(uri: str, run: SweepRun) -> Iterator[tuple[str, str]]:
    """File and what is wrong with it, of the tables that a sweep's run names."""
    for table in shared_tables(run.tags):
        what = wrong_with(table, read_file(uri, run.artifact_uri, run.run_id, table.file, expected=table.checksum))
        if what:
            yield table.file, what
