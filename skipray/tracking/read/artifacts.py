"""Files of a run: its tables read back, and whether a run's files are whole."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from skipray.records import LAYER_COLUMNS
from skipray.tracking import files
from skipray.tracking.checksums import read_checksums
from skipray.tracking.read.row import RunRow

HISTOGRAMS = "histograms.parquet"
_KEY = [c for c in LAYER_COLUMNS if c not in ("version", "value", "censored", "reason")]
"""What tells one row of layers.parquet from another."""
_PLAIN = {c: object for c in _KEY if c not in ("epoch", "layer_index", "centred")}
"""Words of two tables have different categories, which do not compare."""


def read_file(uri: str, row: RunRow, name: str) -> bytes | None:
    """An artifact's bytes; None when the run has no such file, or not as it was recorded (`damaged` names it).

    Raises TrackingAway when it cannot be fetched.
    """
    expected = read_checksums(row.artifacts).get(name)
    data = files.read_file(uri, row.artifact_uri, row.run_id, name, expected=expected)
    return None if expected is not None and expected.problem(data) else data


def read_artifacts(uri: str, row: RunRow, name: str = "layers.parquet") -> pa.Table | None:
    """A run's layers.parquet; None when it is missing or damaged (`skipray doctor` says which)."""
    data = read_file(uri, row, name)
    if data is None:
        return None
    try:
        return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    except (pa.ArrowException, ValueError, OSError):
        return None


def read_run_histograms(uri: str, row: RunRow) -> pa.Table | None:
    """A run's histograms, and for epochs that it has none of those that a later measurement found; None where none."""
    tables: list[pa.Table] = []
    for name in (HISTOGRAMS, *(f"measurements/{m}/{HISTOGRAMS}" for m in row.measured)):
        found = read_artifacts(uri, row, name)
        if found is not None:
            have = pa.array({e for t in tables for e in t["epoch"].unique().to_pylist()}, found["epoch"].type)
            tables.append(found.filter(pc.invert(pc.is_in(found["epoch"], value_set=have))))
    return stacked(tables) if tables else None


def read_measurement(uri: str, row: RunRow, measurement: str) -> pa.Table | None:
    """The layers of one measurement of a run's weights; None where the run has not got it."""
    if measurement not in row.measured:
        return None
    return read_artifacts(uri, row, f"measurements/{measurement}/layers.parquet")


def read_with_measurements(uri: str, row: RunRow) -> pa.Table | None:
    """A run's layers, and what only later measurements of its weights have, from the oldest that has it."""
    layers = read_artifacts(uri, row)
    if layers is None or not row.measured:
        return layers
    for measurement in row.measured:
        found = read_measurement(uri, row, measurement)
        if found is not None:
            layers = stacked([layers, found.filter(pa.array(~_keys(found).isin(_keys(layers))))])
    return layers


def _keys(layers: pa.Table) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(layers.select(_KEY).to_pandas().astype(_PLAIN))


def at_both_ends(table: pa.Table, key: str) -> pa.Table:
    """The rows of the first and the last epoch, with a column `run_id` that holds the key."""
    ends = pc.min_max(table["epoch"])
    table = table.filter(pc.is_in(table["epoch"], value_set=pa.array([ends["min"], ends["max"]], table["epoch"].type)))
    run = pa.DictionaryArray.from_arrays(np.zeros(len(table), np.int32), [key])
    return table.append_column("run_id", run)


def stacked(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables one below the other, columns united, the words of each column together in one dictionary."""
    return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
