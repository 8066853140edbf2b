"""Tables that each run has as files: layers and histograms of many runs, those that were read before from the cache."""

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd
import pyarrow as pa

from skipray.tracking.read.artifacts import (
    at_both_ends,
    read_measurement,
    read_run_histograms,
    read_with_measurements,
    stacked,
)
from skipray.tracking.read.cache import Cache, concatenated
from skipray.tracking.read.ledger import Say
from skipray.tracking.read.row import RunRow, content_key
from skipray.tracking.read.shared_tables import HISTOGRAMS, LAYERS, read_shared
from skipray.tracking.several import reads_at_once, several

SAID = 100
"""Progress is told after so many runs."""


def layer_rows(
    uri: str,
    experiment: str,
    rows: Sequence[RunRow],
    measurement: str | None = None,
    *,
    say: Say,
    max_rows: int | None = None,
) -> tuple[pd.DataFrame, int]:
    """Layers of runs with their keys in `run_id`, and how many runs were not asked since there were `max_rows` rows.

    Args:
        measurement: of this one alone.
    """

    def read(row: RunRow) -> pa.Table | None:
        return read_with_measurements(uri, row) if measurement is None else read_measurement(uri, row, measurement)

    kind = f"{LAYERS} {measurement}" if measurement else LAYERS
    return _read(uri, experiment, kind, rows, read, say=say, max_rows=max_rows)


def histogram_rows(uri: str, experiment: str, rows: Sequence[RunRow], *, say: Say) -> pd.DataFrame:
    """Histograms of runs with their keys in `run_id`."""
    return _read(uri, experiment, HISTOGRAMS, rows, partial(read_run_histograms, uri), say=say, keep_empty=True)[0]


def _read(
    uri: str,
    experiment: str,
    kind: str,
    rows: Sequence[RunRow],
    read: Callable[[RunRow], pa.Table | None],
    *,
    say: Say,
    max_rows: int | None = None,
    keep_empty: bool = False,
) -> tuple[pd.DataFrame, int]:
    """The tables of runs one below the other, at the first and the last epoch.

    Args:
        read: the table of one run; None where it has none that can be read.
        max_rows: no further run is asked once there are so many rows.
        keep_empty: whether the cache shall know which runs have none.

    Returns:
        The rows, and how many runs were not asked.
    """
    cache = Cache(uri, experiment, kind)
    frames, missing = cache.read([content_key(r) for r in rows])
    if missing:
        others, missing = read_shared(uri, experiment, kind, missing)
        frames += others
    wanted = [row for row in rows if content_key(row) in missing]
    count = sum(len(f) for f in frames)
    fresh: list[pa.Table] = []
    held: list[str] = []
    asked = 0
    if max_rows is None or count < max_rows:
        for row, table in zip(wanted, several(read, wanted, at_once=reads_at_once(uri)), strict=False):
            asked += 1
            if table is not None:
                fresh.append(at_both_ends(table, content_key(row)))
                count += len(fresh[-1])
            if table is not None or keep_empty:
                held.append(content_key(row))
            if asked % SAID == 0:
                say(f"{kind} of {asked} of {len(wanted)} runs read")
            if max_rows is not None and count >= max_rows:
                break
    if held:
        new = stacked(fresh).to_pandas() if fresh else pd.DataFrame({"run_id": []})
        cache.add(held, new)
        cache.merge()
        frames.append(new)
    found = concatenated(frames)
    return found if len(found) else pd.DataFrame({"run_id": []}), len(wanted) - asked
