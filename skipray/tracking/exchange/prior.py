"""Finished results from elsewhere, published or older, as a sweep: a CSV or Parquet table with a row per trial.

Columns `architecture`, `depth` and `seed`; any field of model, recipe or data set (`width`, `recipe.learning_rate`,
`dataset`), which becomes a factor where the results differ in it; `setting` (default, tuned), of which the tuned ones
are the answer and the default ones tell the factors; numbers under MLflow's keys (`train.accuracy`,
`test.accuracy`, ...); `outcome` (trained, untrained, diverged), `epochs`, `parameters` and `time.train_seconds` where
they are known. Nothing is made up for what the table does not say.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from skipray.extension import catalog
from skipray.metrics import tracked
from skipray.records import CHANCE_LOSS, CHANCE_SCORE, LAYER_COLUMNS, EpochRecord, TrialRecord
from skipray.spec import SweepSpec, Tracking
from skipray.spec.data_factors import DATASET
from skipray.spec.stored import Stored
from skipray.tracking.address import resolve_uri
from skipray.tracking.exchange.importing import NAME, Imported
from skipray.tracking.exchange.table import BadTable, ResultTable, read_table
from skipray.tracking.exchange.table_trials import LAST_EPOCH, Row, name_of, trials_of
from skipray.tracking.read.ledger import Say, child_runs, read_ledger, silent
from skipray.tracking.read.manifest import stored_sweep
from skipray.tracking.read.readback import read_trials
from skipray.tracking.write.experiment import finish_sweep, open_sweep
from skipray.tracking.write.manifest import write_manifest
from skipray.tracking.write.run import TrialRun
from skipray.wording import counted

UNKNOWN = "unknown"
"""The data set of results that do not say what they were obtained on."""


def import_table(
    path: Path,
    name: str,
    tracking_uri: str | None = None,
    *,
    dataset: str = UNKNOWN,
    chance: float | None = None,
    say: Say = silent,
) -> Imported:
    """Add a table's results to a store as the sweep `name`. Of a table that has changed, the new rows take the place of
    the old ones.

    Args:
        dataset: what the results were obtained on, where the table has no such column.
        chance: accuracy of guessing, recorded with each trial: limits are judged by it. A row without an outcome has
            trained where its training accuracy (else its test accuracy) is above it.
        say: told what had to be assumed.

    Raises:
        BadTable: with a line for each mistake; or the store has a sweep of this name that is no table's.
    """
    if not re.match(NAME, name):
        raise BadTable(f"--name: found {name!r}; allowed: lower-case letters, digits, '.', '_' and '-'")
    told: list[str] = []
    rows = read_rows(path, name, dataset, chance, told.append)
    sweep = _sweep(path, name, rows)
    uri = resolve_uri(sweep, tracking_uri)
    stored = _earlier(uri, name)
    if chance is None and (before := _chance_before(path, stored, uri)) is not None:
        told = [
            f"{path}: taken with --chance {before:g}, as it was imported before; under another --name it may go without"
        ]
        rows = read_rows(path, name, dataset, before, told.append)
        sweep = _sweep(path, name, rows)
    for text in told:
        say(text)
    address = open_sweep(sweep, tracking_uri)
    have = read_ledger(sweep, address.uri).finished
    # A cell's default and its tuned setting can be the same trial.
    missing = {r.trial.trial_id: r for r in reversed(rows) if r.trial.trial_id not in have}
    sizes = {r.trial.trial_id: {} if r.parameters is None else {"parameters": r.parameters} for r in rows}
    write_manifest(address, sweep, sweep.trials(), sizes)  # first: an import that is cut off says what it lacks
    time_ms = int(path.stat().st_mtime * 1000)
    source = f"{path.name}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    for row in reversed(missing.values()):
        run = TrialRun(address, row.trial, attempt=1, guard=lambda: None, look_first=True)
        run.finish(_record(row, time_ms, source), {})
    finish_sweep(address)
    left = {t.trial_id for t in stored.sweep.trials()} - {r.trial.trial_id for r in rows} if stored else set()
    if left:
        results = counted(len(left), "result of the table", "results of the table")
        are = "is" if len(left) == 1 else "are"
        say(f"{name}: {results} as it was imported before {are} no longer part of the sweep")
    return Imported(name, len(missing), len(rows) - len(missing))


def read_rows(path: Path, name: str, dataset: str, chance: float | None = None, say: Say = silent) -> list[Row]:
    """The trials of a table. BadTable with a line for each mistake."""
    if chance is not None and not 0 < chance < 1:
        raise BadTable(f"--chance: found {chance:g}; allowed: a share between 0 and 1, percent divided by 100")
    dataset = name_of(dataset, "--dataset")
    table = read_table(path)
    if DATASET in table.factors and dataset != UNKNOWN:
        raise BadTable(f"--dataset: found {dataset}, and a column dataset in {path}; allowed: one of them")
    fingerprint = _fingerprint(path, chance)
    try:
        rows = trials_of(table, name, dataset, fingerprint, chance)
    except BadTable as error:
        raise BadTable("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None
    for text in _assumed(table, rows, chance):
        say(f"{path}: {text}")
    return rows


def _fingerprint(path: Path, chance: float | None) -> str:
    """With another chance a row's outcome is another: it is imported anew."""
    return hashlib.sha256(path.read_bytes() + (b"" if chance is None else f"\n{chance!r}".encode())).hexdigest()


def _chance_before(path: Path, stored: Stored | None, uri: str) -> float | None:
    """The --chance that this very table was imported with before; None where it was not, or went without."""
    if stored is None or not stored.trials:
        return None
    found = read_trials(stored.sweep, uri).get(CHANCE_SCORE)
    told = () if found is None else found.dropna().unique()
    have = {trial.fingerprint for trial in stored.trials}
    return next((float(c) for c in told if _fingerprint(path, float(c)) in have), None)


def _assumed(table: ResultTable, rows: Sequence[Row], chance: float | None) -> list[str]:
    said = []
    told = any(values.get("outcome") is not None for values in table.rows)
    if not told and chance is None and CHANCE_SCORE not in table.metrics:
        known = sorted({row.trial.dataset.name for row in rows} & {*catalog.names("datasets")})
        judged = f"rows count as trained by the chance of {', '.join(known)}, one class of as many as there are"
        every = "every row counts as trained; --chance tells what did not train"
        said.append(f"no column outcome: {f'{judged}; --chance tells another' if known else every}")
    silent_rows = [
        values.get("outcome") is None and row.outcome == "diverged"
        for values, row in zip(table.rows, rows, strict=True)
    ]
    if any(silent_rows):
        said.append(f"{sum(silent_rows)} rows without a number and without an outcome count as diverged")
    # What says of a value that it is a bound is read with it.
    read = {*tracked(), *(f"{name}.censored" for name in tracked()), CHANCE_SCORE, CHANCE_LOSS}
    others = [name for name in table.metrics if name not in read]
    if others:
        named = ", ".join(others[:8]) + (", ..." if len(others) > 8 else "")
        said.append(f"only kept, since they are no metrics of skipray's (train.accuracy, test.accuracy, ...): {named}")
    return said


def _earlier(uri: str, name: str) -> Stored | None:
    """What the store has under the name of an earlier import. BadTable where that is no table's: a launched sweep's
    results would no longer be seen by its name."""
    stored = stored_sweep(name, uri)
    if stored is None:
        if any(True for _ in child_runs(uri, name)):
            raise BadTable(
                f"--name {name}: found runs in the store that do not say what they are; allowed: another name"
            )
        return None
    if stored.sweep.text or any(trial.probe.preset != "none" for trial in stored.trials):
        found = len(stored.trials)
        raise BadTable(f"--name {name}: found a sweep of {found} trials that is no table's; allowed: another name")
    return stored


def _record(row: Row, time_ms: int, source: str) -> TrialRecord:
    epochs: int | None = row.trial.recipe.epochs
    epoch = EpochRecord(LAST_EPOCH if epochs is None else epochs, time_ms, dict(row.metrics))
    layers = pd.DataFrame(columns=list(LAYER_COLUMNS))
    return TrialRecord(
        trial_id=row.trial.trial_id,
        outcome=row.outcome,
        epochs=(epoch,),
        layers=layers,
        spectra={},
        profiles={},
        train_seconds=row.seconds,
        probe_seconds=0.0,
        environment={"imported_from": source},
    )


def _sweep(path: Path, name: str, rows: list[Row]) -> SweepSpec:
    trials = tuple(row.trial for row in rows)
    one = trials[0]
    cells = tuple({t.cell: t for t in reversed(trials)}.values())[::-1]
    values = [cell.cell.values for cell in cells]
    return SweepSpec(
        path=path,
        text="",
        overrides=(),
        name=name,
        question=f"Results of {path.name}, obtained elsewhere",
        dataset=one.dataset,
        factors={f: tuple(dict.fromkeys(v[f] for v in values if f in v)) for f in one.factors},
        seeds=tuple(dict.fromkeys(t.seed for t in trials)),
        probe=one.probe,
        resources=one.resources,
        tracking=Tracking(),
        cells=cells,
        stored=trials,
    )
