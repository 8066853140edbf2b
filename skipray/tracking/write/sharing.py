"""Leaves tables of many runs on the sweep's own run, so that another machine need not ask for each run's."""

import json
from collections.abc import Sequence
from contextlib import suppress

import pandas as pd

from skipray.spec import SweepSpec, TrialSpec
from skipray.tracking.address import Address, TrackingRefused, is_sql
from skipray.tracking.client import reach
from skipray.tracking.files import write_files
from skipray.tracking.read.cache import VERSION, Cache
from skipray.tracking.read.ledger import Ledger, Say
from skipray.tracking.read.measured import CACHE_FROM, history_rows
from skipray.tracking.read.row import content_key, key_of
from skipray.tracking.read.run_tables import histogram_rows, layer_rows
from skipray.tracking.read.shared_tables import (
    FROM_RUNS,
    HISTOGRAMS,
    HISTORIES,
    LAYERS,
    SharedTable,
    cache_of,
    read_shared,
    shared_tables,
)
from skipray.tracking.read.sweep_run import find_sweep_run

MAX_TABLES = 8
"""Of a kind; what would be one more holds all of them, and takes their place."""


def share_tables(address: Address, sweep: SweepSpec, trials: Sequence[TrialSpec], ledger: Ledger, say: Say) -> int:
    """Put histories, layers and histograms of finished trials on the sweep's run, those that are not there yet.

    For servers; databases are read directly. A file is named by a tag after it was written, so that one which was not
    written whole is nobody's.

    Returns:
        How many files were written.
    """
    uri, name = address.uri, sweep.name
    rows = [ledger.finished[t.trial_id] for t in trials if t.trial_id in ledger.finished]
    if is_sql(uri) or len(rows) < FROM_RUNS:
        return 0
    # The files that a report has read, and no more: each other run's would be a request.
    have = {kind: Cache(uri, name, kind).run_ids() for kind in (LAYERS, HISTOGRAMS)}
    read = {kind: [row for row in rows if content_key(row) in have[kind]] for kind in have}
    layers, _ = layer_rows(uri, name, read[LAYERS], say=say)
    histograms = histogram_rows(uri, name, read[HISTOGRAMS], say=say)
    count = _share(address, name, LAYERS, layers, {content_key(row) for row in read[LAYERS]})
    count += _share(address, name, HISTOGRAMS, histograms, {content_key(row) for row in read[HISTOGRAMS]})
    if len(rows) >= CACHE_FROM:
        histories = history_rows(uri, name, rows, None, say)
        count += _share(address, name, HISTORIES, histories, {key_of(row) for row in rows})
    return count


def _share(address: Address, experiment: str, kind: str, rows: pd.DataFrame, keys: set[str]) -> int:
    uri, run_id = address.uri, address.parent_run_id
    _, missing = read_shared(uri, experiment, kind, keys)
    run = find_sweep_run(uri, experiment)
    if len(missing) < FROM_RUNS or run is None:
        return 0
    cache = cache_of(uri, experiment, kind)
    there = [table for table in shared_tables(run.tags) if table.kind == kind]
    whole = [table for table in there if cache.has(table.checksum.sha256)]
    gone = [table for table in there if table not in whole]
    if len(whole) >= MAX_TABLES:
        missing, gone = keys, there
    path = cache.add(sorted(missing), rows[rows["run_id"].isin(missing)].reset_index(drop=True))
    if path is None:
        return 0
    data = path.read_bytes()
    table = SharedTable.of(kind, data)
    write_files(uri, address.artifacts_of(run_id), run_id, {table.file: data})
    about = {"kind": kind, "size": len(data), "sha256": table.checksum.sha256, "version": VERSION}
    reach(uri, lambda c: c.set_tag(run_id, table.tag, json.dumps(about, sort_keys=True)))
    for old in gone:
        if old.tag != table.tag:
            with suppress(TrackingRefused):  # another launch has taken it away
                reach(uri, lambda c, t=old.tag: c.delete_tag(run_id, t))  # type: ignore[misc]
    return 1
