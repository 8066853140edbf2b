"""Finished trials as tables: one row per trial, metrics by epoch, statistics by layer.

What a trial is comes from the spec, which its trial_id stands for; what was measured comes from its winning run. Other
runs of the experiment (other recipes, removed depths, later duplicates) are left out.
"""

import os
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from skipray.metrics import describe
from skipray.records import HISTOGRAM_COLUMNS, LAYER_COLUMNS
from skipray.spec import SweepSpec, TrialSpec, load_sweep
from skipray.spec.finding import sweep_path
from skipray.tracking.address import resolve_uri
from skipray.tracking.read.known import known_trials
from skipray.tracking.read.ledger import Ledger, Say, read_ledger, silent
from skipray.tracking.read.manifest import stored_sweep
from skipray.tracking.read.measured import read_histories_of, read_wide
from skipray.tracking.read.row import content_key
from skipray.tracking.read.run_tables import histogram_rows, layer_rows
from skipray.tracking.read.trial_columns import described, empty, factor_columns, measured

MAX_LAYER_ROWS = 5_000_000
"""read_layers reads trials, evenly over the cells, until it has so many rows: about 0.3 GB."""


def read_trials(
    sweep: SweepSpec | str | os.PathLike[str],
    tracking_uri: str | None = None,
    *,
    trials: Sequence[TrialSpec] | None = None,
    ledger: Ledger | None = None,
    say: Say = silent,
) -> pd.DataFrame:
    """One row per finished trial of the sweep, in the sweep's order: of a tuned one its points too, of an adaptive one
    those of its candidates that were run.

    Args:
        sweep: a loaded sweep, its file, or its name in the store. Only its own trial_ids are read, whatever else the
            experiment holds.
        tracking_uri: the address; else MLFLOW_TRACKING_URI, else the sweep's, else the working directory's store.
        trials: read these instead of the sweep's own.
        ledger: what was read of these trials already, here and below.
        say: told about progress over HTTP, where reading takes minutes for very many trials.

    Returns:
        Columns `trial_id`; the factors by their bare names (`architecture`, `depth`, ..., `seed`); `phase` (tune,
        final); `setting` (default, tuned, point); `point`, its number in the study, where a trial is one; the flat
        spec (`model.width`, `recipe.learning_rate`, ...); `outcome`; `attempt`; `environment.*`; the metrics of the
        last epoch under their MLflow keys (NaN where a trial has none; a factor's name is the factor's:
        `learning_rate` is the last epoch's rate only where it is none); `time.train_seconds`, `time.probe_seconds`.
        Apart from columns that end in `_seconds` or `_bytes` and `attempt`, values depend on the trial alone.

    Raises:
        TrackingAway: the store cannot be reached.
    """
    spec, uri, asked, ledger = _begun(sweep, tracking_uri, trials, ledger, say)
    found = [t for t in asked if t.trial_id in ledger.finished]
    runs = [ledger.finished[t.trial_id] for t in found]
    wide = read_wide(uri, spec.name, runs, say)
    if not found:
        return empty(asked)
    factors = factor_columns(asked)
    return described(found, asked).assign(**{key: v for key, v in measured(runs, wide).items() if key not in factors})


def _begun(
    sweep: SweepSpec | str | os.PathLike[str],
    tracking_uri: str | None,
    trials: Sequence[TrialSpec] | None,
    ledger: Ledger | None,
    say: Say,
) -> tuple[SweepSpec, str, tuple[TrialSpec, ...], Ledger]:
    """The sweep, its store, the trials that are asked for, and what is known of their runs."""
    spec = _loaded(sweep, tracking_uri)
    uri = resolve_uri(spec, tracking_uri)
    asked = known_trials(spec, uri).trials if trials is None else tuple(trials)
    return spec, uri, asked, ledger or read_ledger(spec, uri, trials=asked, say=say)


def winning_runs(sweep: SweepSpec, tracking_uri: str | None = None) -> dict[str, str]:
    """trial_id -> MLflow run id of each finished trial."""
    asked = known_trials(sweep, tracking_uri).trials
    return {i: row.run_id for i, row in read_ledger(sweep, tracking_uri, trials=asked).finished.items()}


def read_histories(
    sweep: SweepSpec | str | os.PathLike[str],
    tracking_uri: str | None = None,
    *,
    trials: Sequence[TrialSpec] | None = None,
    metrics: Iterable[str] | None = None,
    ledger: Ledger | None = None,
    say: Say = silent,
) -> pd.DataFrame:
    """Metrics of finished trials by epoch.

    Args:
        metrics: MLflow keys; all but the layer profiles when left out.

    Returns:
        Columns trial_id and metric (categories), epoch, value; in the sweep's order, then by metric and epoch.

    Raises:
        ValueError: no run has a key that is asked for, and no metric is called so.
    """
    spec, uri, asked, ledger = _begun(sweep, tracking_uri, trials, ledger, say)
    runs = [ledger.finished[t.trial_id] for t in asked if t.trial_id in ledger.finished]
    keys = None if metrics is None else tuple(sorted(set(metrics)))
    found = read_histories_of(uri, spec.name, runs, keys, say)
    if runs:
        own = sorted({name for cell in spec.cells for name in cell.probe.metrics})
        for key in sorted({*(keys or ())} - {*found["metric"].unique()}):
            describe(key, own)  # a slip of the pen is no absent metric
    return found


def read_layers(
    sweep: SweepSpec | str | os.PathLike[str],
    tracking_uri: str | None = None,
    *,
    trials: Sequence[TrialSpec] | None = None,
    measurement: str | None = None,
    max_rows: int = MAX_LAYER_ROWS,
    ledger: Ledger | None = None,
    say: Say = silent,
) -> pd.DataFrame:
    """Statistics by layer of finished trials, at the first and the last epoch, from their layers.parquet.

    What `skipray measure` has found later is read too: statistics that a run had not got, and the name of a measurement
    gives all of that one.

    Args:
        measurement: read this one alone (`skipray measure --json` names it), of the runs that have it.
        max_rows: trials are read evenly over the cells, first seeds first, until there are so many rows; how many
            trials were left out is in `.attrs["trials_left_out"]`.

    Returns:
        Columns trial_id and skipray.records.LAYER_COLUMNS, words as categories; in the sweep's order.
    """
    spec, uri, asked, ledger = _begun(sweep, tracking_uri, trials, ledger, say)
    rows = [ledger.finished[i] for i in _evenly(asked) if i in ledger.finished]
    layers, left_out = layer_rows(uri, spec.name, rows, measurement, say=say, max_rows=max_rows)
    if layers.empty:
        return pd.DataFrame(columns=["trial_id", *LAYER_COLUMNS])
    layers = _in_order(layers, asked, ledger)[["trial_id", *LAYER_COLUMNS]]
    layers.attrs["trials_left_out"] = left_out
    return layers


def read_histograms(
    sweep: SweepSpec | str | os.PathLike[str],
    tracking_uri: str | None = None,
    *,
    trials: Sequence[TrialSpec] | None = None,
    ledger: Ledger | None = None,
    say: Say = silent,
) -> pd.DataFrame:
    """How activations and weights are distributed at the first and the last layer, at the first and the last epoch.

    Returns:
        Columns trial_id and skipray.records.HISTOGRAM_COLUMNS, words as categories, one row per bin; in the sweep's
        order. Empty for runs from before there were histograms, until `skipray measure` has added them.
    """
    spec, uri, asked, ledger = _begun(sweep, tracking_uri, trials, ledger, say)
    rows = [ledger.finished[t.trial_id] for t in asked if t.trial_id in ledger.finished]
    found = histogram_rows(uri, spec.name, rows, say=say)
    if found.empty:
        return pd.DataFrame(columns=["trial_id", *HISTOGRAM_COLUMNS])
    return _in_order(found, asked, ledger)[["trial_id", *HISTOGRAM_COLUMNS]]


def _in_order(rows: pd.DataFrame, asked: Sequence[TrialSpec], ledger: Ledger) -> pd.DataFrame:
    """Rows with a column `trial_id` for their `run_id`, in the order of the trials."""
    order = {content_key(ledger.finished[t.trial_id]): t.trial_id for t in asked if t.trial_id in ledger.finished}
    run = rows["run_id"].astype("category")
    position = pd.Index(order).get_indexer(run.cat.categories)
    ranks = position[run.cat.codes]
    rows = rows.assign(trial_id=pd.Categorical.from_codes(ranks, pd.Index(list(order.values()))))
    return rows.iloc[np.argsort(ranks, kind="stable")].reset_index(drop=True)


def _evenly(trials: Sequence[TrialSpec]) -> list[str]:
    """trial_ids, the first seed of every cell before the second of any."""
    return [t.trial_id for t in sorted(trials, key=lambda t: t.seed)]


def _loaded(sweep: SweepSpec | str | os.PathLike[str], tracking_uri: str | None) -> SweepSpec:
    """A sweep, its file, or, where there is no such file, its name in the store."""
    if isinstance(sweep, SweepSpec):
        return sweep
    if not sweep_path(sweep, shipped=False).exists():
        stored = stored_sweep(os.fspath(sweep), tracking_uri)
        if stored is not None:
            return stored.sweep
    return load_sweep(sweep)
