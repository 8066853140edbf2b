"""A sweep's results as a table that people read and `skipray import` takes: a row per trial, a column per setting and
number."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from skipray.errors import written_to
from skipray.outputs import check_output
from skipray.spec import SweepSpec
from skipray.tracking.address import TrackingRefused, redact, resolve_uri
from skipray.tracking.exchange.prior import UNKNOWN, read_rows
from skipray.tracking.exchange.table import (
    KNOWN,
    MAPPINGS,
    NEEDED,
    NOT_METRICS,
    SETTING,
    BadTable,
    column_name,
    is_factor_column,
)
from skipray.tracking.read.ledger import read_ledger
from skipray.tracking.read.manifest import stored_sweep
from skipray.tracking.read.readback import read_trials
from skipray.tracking.read.sweep_run import no_sweep
from skipray.tracking.schema import TIME_KEY

FORMATS = (".csv", ".parquet")
"""What the name of a table's file ends with."""
_FIELDS = ("dataset.", "model.", "recipe.")
_OURS = ("environment.", "probe.", "resources.", "part.", *NOT_METRICS)
"""What the names of columns begin with that only the store itself needs. `part` holds what other columns say again."""


@dataclass(frozen=True)
class ExportedTable:
    """What was written."""

    path: Path
    trials: int
    columns: int
    left: int
    """Finished trials of the store that are no part of the sweep as its file is now."""


def export_table(
    sweep: str | SweepSpec, path: Path, tracking_uri: str | None = None, *, force: bool = False
) -> ExportedTable:
    """Write the finished trials of a sweep as CSV or Parquet, by the file's suffix: those of its cells and seeds, not
    the points of a tuning study. A tuned sweep's are told apart by a column `setting`.

    Args:
        sweep: a name: all that the store has of it, in the settings that were launched last; or a sweep: its trials.
        force: whether a file that is there is written over.

    Raises:
        skipray.errors.InputRefused: the file is there already, or can never be written.
        TrackingRefused: the store has no such sweep, or none of its trials is finished.
        TrackingAway: the store cannot be reached.
        BadTable: what the trials differ in cannot be told in a column, such as a number that follows the depth by a
            rule.
    """
    check_output(path, FORMATS, replace=force)
    of_file = None if isinstance(sweep, str) else sweep
    name, uri = sweep if isinstance(sweep, str) else sweep.name, resolve_uri(of_file, tracking_uri)
    stored = stored_sweep(name, uri)
    if stored is None:
        raise no_sweep(uri, name)
    trials = read_trials(of_file or stored.sweep, uri)
    table = table_of(trials)
    if not len(table):
        raise TrackingRefused(f"{redact(uri)}: found no finished trial of {name}; allowed: at least one")
    aside = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with written_to(path):
            if path.suffix.lower() == ".parquet":
                table.to_parquet(aside, index=False)
            else:
                table.to_csv(aside, index=False, lineterminator="\n")
        _refuse_what_is_read_otherwise(aside, name)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    finished = () if of_file is None else read_ledger(stored.sweep, uri, trials=stored.trials).finished
    return ExportedTable(path, *table.shape, len({*finished} - {*trials["trial_id"]}))


def _refuse_what_is_read_otherwise(aside: Path, name: str) -> None:
    try:
        read_rows(aside, name, UNKNOWN)
    except BadTable as error:
        line = str(error).splitlines()[0].removeprefix(f"{aside}: ")
        raise BadTable(
            f"{name} cannot be told as a table: {line}; allowed: an archive, `skipray export {name}`"
        ) from None


def table_of(trials: pd.DataFrame) -> pd.DataFrame:
    """Of `read_trials`' columns those that say what a trial is and what came out of it, under names that `skipray
    import` reads as the same. Values keep every bit."""
    if "phase" in trials:
        trials = trials[trials["phase"] == "final"]
    settings = dict(_settings(trials))
    numbers = {
        key: trials[key]
        for key in map(str, trials.columns)
        if key not in settings
        and not key.startswith((*_OURS, *_FIELDS))
        and not is_factor_column(column_name(key))
        and key not in (*KNOWN, "attempt", "point")
        and pd.api.types.is_numeric_dtype(trials[key])
        and trials[key].notna().any()
    }
    return pd.DataFrame(settings | _known(trials) | numbers).drop_duplicates([*settings], ignore_index=True)


def _settings(trials: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Architecture, depth and seed, the factors by their bare names, then what all trials share by its field's."""
    columns = [str(c) for c in trials.columns]
    factors = columns[: columns.index("phase")] if "phase" in columns else [*NEEDED]
    fields = [c for c in columns if c.startswith(_FIELDS)]
    if SETTING in columns and (trials[SETTING] == "tuned").any():
        yield SETTING, trials[SETTING]
    told = set[str]()
    for column in [*NEEDED, *factors, *fields]:
        name = column_name(column)
        known = column in NEEDED or is_factor_column(name)
        if known and name not in (*told, *MAPPINGS) and trials[column].notna().any():
            told.add(name)
            yield (column if column.startswith("recipe.") else name), trials[column].map(_plain)


def _plain(value: Any) -> Any:
    """Lists and mappings as JSON, which `skipray import` reads as they were."""
    if isinstance(value, Mapping):
        return json.dumps(dict(value))
    return json.dumps(list(value)) if isinstance(value, list | tuple) else value


def _known(trials: pd.DataFrame) -> dict[str, pd.Series]:
    """What a table says of a trial besides its settings."""
    columns = {"outcome": "outcome", "parameters": "model.parameters", TIME_KEY: TIME_KEY}
    return {name: trials[column] for name, column in columns.items() if column in trials}
