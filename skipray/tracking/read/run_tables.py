"""Tables that each run has as files: layers and histograms of many runs, those that were read before from the cache."""

from collections.abc import Callable, Sequence

import pandas as pd
import pyarrow as pa

from skipray.tracking.read.artifacts import at_both_ends, stacked
from skipray.tracking.read.cache import Cache, concatenated
from skipray.tracking.read.ledger import Say
from skipray.tracking.read.row import RunRow, key_of
from skipray.tracking.several import reads_at_once, several

SAID = 100
"""Progress is told after so many runs."""


def read_tables(
    uri: str,
    cache: Cache,
    rows: Sequence[RunRow],
    read: Callable[[RunRow], pa.Table | None],
    *,
    say: Say,
    what: str,
    max_rows: int | None = None,
    keep_empty: bool = False,
) -> tuple[pd.DataFrame, int]:
    """The tables of runs one below the other, at the first and the last epoch, with the cache's keys in `run_id`.

    Args:
        read: the table of one run; None where it has none that can be read.
        what: is read, for the progress.
        max_rows: no further run is asked once there are so many rows.
        keep_empty: whether the cache shall know which runs have none.

    Returns:
        The rows, and how many runs were not asked.
    """
    frames, missing = cache.read([key_of(r) for r in rows])
    wanted = [row for row in rows if key_of(row) in missing]
    count = sum(len(f) for f in frames)
    fresh: list[pa.Table] = []
    held: list[str] = []
    asked = 0
    if max_rows is None or count < max_rows:
        for row, table in zip(wanted, several(read, wanted, at_once=reads_at_once(uri)), strict=False):
            asked += 1
            if table is not None:
                fresh.append(at_both_ends(table, key_of(row)))
                count += len(fresh[-1])
            if table is not None or keep_empty:
                held.append(key_of(row))
            if asked % SAID == 0:
                say(f"{what} of {asked} of {len(wanted)} runs read")
            if max_rows is not None and count >= max_rows:
                break
    if held:
        new = stacked(fresh).to_pandas() if fresh else pd.DataFrame({"run_id": []})
        cache.add(held, new)
        cache.merge()
        frames.append(new)
    return concatenated(frames), len(wanted) - asked
