"""Finished results from elsewhere, published or older, as a sweep: a CSV or Parquet table with a row per trial.

Columns `architecture`, `depth` and `seed`; any field of model or recipe that the results differ in (`width`,
`recipe.learning_rate`), which becomes a factor; numbers under MLflow's keys (`train.accuracy`, `test.accuracy`, ...);
`outcome` (trained, untrained, diverged), `epochs`, `parameters` and `time.train_seconds` where they are known. What the
table does not say is absent from the sweep: nothing is made up for it.
"""

import hashlib
import math
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from skipray.errors import SkiprayError
from skipray.records import LAYER_COLUMNS, EpochRecord, Outcome, TrialRecord
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, SweepSpec, Tracking, TrialSpec
from skipray.spec.cell import bare_name
from skipray.tracking.exchange.importing import NAME, Imported
from skipray.tracking.read.ledger import read_ledger
from skipray.tracking.schema import OUTCOMES, TIME_KEY
from skipray.tracking.write.experiment import finish_sweep, open_sweep
from skipray.tracking.write.manifest import write_manifest
from skipray.tracking.write.run import TrialRun

NEEDED = ("architecture", "depth", "seed")
KNOWN = (*NEEDED, "outcome", "epochs", "parameters", TIME_KEY)
FACTORS = {**dict.fromkeys(ModelSpec.model_fields, ModelSpec), **dict.fromkeys(Recipe.model_fields, Recipe)}
LAST_EPOCH = 1
"""Where the table does not say how many epochs there were, its values stand at this one."""


class BadTable(SkiprayError, ValueError):
    """A table that is no sweep: what was found and what is allowed."""


@dataclass(frozen=True)
class Row:
    """One trial of a table."""

    trial: TrialSpec
    outcome: Outcome
    metrics: Mapping[str, float]
    seconds: float
    parameters: int | None


def import_table(
    path: Path,
    name: str,
    tracking_uri: str | None = None,
    *,
    dataset: str = "unknown",
    chance: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Imported:
    """Add a table's results to a store as the sweep `name`.

    Args:
        dataset: what the results were obtained on.
        chance: accuracy of guessing: a row without an outcome has trained where its training accuracy (else its test
            accuracy) is above it.
        say: told what had to be assumed.

    Raises:
        BadTable: with a line for each mistake.
    """
    if not re.match(NAME, name):
        raise BadTable(f"--name: found {name!r}; allowed: lower-case letters, digits, '.', '_' and '-'")
    rows = read_rows(path, name, dataset, chance, say)
    sweep = _sweep(path, name, rows)
    address = open_sweep(sweep, tracking_uri)
    have = read_ledger(sweep, address.uri).finished
    missing = [row for row in rows if row.trial.trial_id not in have]
    time_ms = int(path.stat().st_mtime * 1000)
    for row in missing:
        run = TrialRun(address, row.trial, attempt=1, guard=lambda: None, look_first=True)
        run.finish(_record(row, time_ms), {})
    sizes = {r.trial.trial_id: {} if r.parameters is None else {"parameters": r.parameters} for r in rows}
    write_manifest(address, sweep, sweep.trials(), sizes)
    finish_sweep(address)
    return Imported(name, len(missing), len(rows) - len(missing))


def read_rows(
    path: Path, name: str, dataset: str, chance: float | None = None, say: Callable[[str], None] = lambda text: None
) -> list[Row]:
    """The trials of a table. BadTable with a line for each mistake."""
    table = _table(path)
    absent = [column for column in NEEDED if column not in table]
    if absent:
        raise BadTable(f"{path}: found no column {', '.join(absent)}; allowed: {', '.join(NEEDED)} and metrics")
    factors = [c for c in table.columns if bare_name(str(c)) in FACTORS and c not in KNOWN]
    metrics = [c for c in table.columns if c not in (*KNOWN, *factors)]
    texts = [c for c in metrics if not pd.api.types.is_numeric_dtype(table[c])]
    if texts:
        words = f"{path}: found the column {texts[0]} with texts; allowed: a number, a field of model or recipe, "
        raise BadTable(words + f"{', '.join(KNOWN)}")
    if "outcome" not in table and chance is None:
        say(f"{path}: no column outcome: every row counts as trained; --chance tells what did not train")
    fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
    data = DatasetSpec(name=dataset)
    names = tuple(dict.fromkeys(["architecture", "depth", *map(bare_name, map(str, factors))]))
    made, mistakes, seen = [], [], dict[str, int]()
    for i, values in enumerate(table.to_dict("records")):
        try:
            row = _row(values, factors, metrics, chance)
        except BadTable as error:
            mistakes.append(f"{path}: row {i + 1}: {error}")
            continue
        trial = replace(row.trial, sweep=name, dataset=data, fingerprint=fingerprint, factors=names)
        twin = seen.setdefault(trial.trial_id, i + 1)
        if twin != i + 1:
            mistakes.append(f"{path}: row {i + 1}: found the trial of row {twin} again; allowed: each trial once")
        made.append(replace(row, trial=trial))
    if mistakes or not made:
        raise BadTable("\n".join(mistakes[:20]) or f"{path}: found no row; allowed: at least one")
    return made


def _table(path: Path) -> pd.DataFrame:
    try:
        read = pd.read_parquet if path.suffix.lower() == ".parquet" else pd.read_csv
        return read(path)
    except (OSError, ValueError, pd.errors.ParserError, pa.ArrowException) as error:
        text = (str(error).splitlines() or [""])[0]
        raise BadTable(f"{path}: cannot be read as a table: {type(error).__name__}: {text}") from None


def _row(values: Mapping[Hashable, Any], factors: list[Any], metrics: list[Any], chance: float | None) -> Row:
    given = {bare_name(str(c)): _plain(values[c]) for c in factors}
    architecture = str(values["architecture"]).strip()
    if not architecture or architecture == "nan":
        raise BadTable("architecture: found nothing; allowed: a name")
    depth, seed = _whole(values["depth"], "depth", 1), _whole(values["seed"], "seed", 0)
    epochs = _whole(values["epochs"], "epochs", 0) if _is_there(values.get("epochs")) else LAST_EPOCH
    of_model = {"architecture": architecture, "depth": depth} | _of(ModelSpec, given)
    measured = {str(c): float(values[c]) for c in metrics if math.isfinite(_number(values[c]))}
    parameters = values.get("parameters")
    seconds = _number(values.get(TIME_KEY))
    trial = TrialSpec(
        sweep="",
        dataset=DatasetSpec(name="unknown"),
        fingerprint="",
        model=_partly(ModelSpec, of_model),
        recipe=_partly(Recipe, {"epochs": epochs} | _of(Recipe, given)),
        seed=seed,
        probe=ProbeSpec(preset="none"),
        resources=Resources(),
        save_weights=False,
    )
    return Row(
        trial,
        _outcome(values, measured, chance),
        measured,
        seconds if math.isfinite(seconds) else 0.0,
        _whole(parameters, "parameters", 1) if _is_there(parameters) else None,
    )


def _of(part: type[ModelSpec] | type[Recipe], given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if FACTORS[key] is part}


def _partly(part: Any, known: Mapping[str, Any]) -> Any:
    """A part of which only some fields are known; the others are None, which no parameter shows."""
    absent = {
        name: None if info.is_required() else info.get_default(call_default_factory=True)
        for name, info in part.model_fields.items()
    }
    return part.model_construct(None, **(absent | dict(known)))


def _outcome(values: Mapping[Hashable, Any], measured: Mapping[str, float], chance: float | None) -> Outcome:
    told = values.get("outcome")
    if _is_there(told):
        for outcome in OUTCOMES:
            if told == outcome:
                return outcome  # type: ignore[return-value]
        raise BadTable(f"outcome: found {told!r}; allowed: {', '.join(OUTCOMES)}")
    if not measured:
        return "diverged"
    accuracy = measured.get("train.accuracy", measured.get("test.accuracy"))
    return "untrained" if chance is not None and accuracy is not None and accuracy <= chance else "trained"


def _is_there(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float | np.number) else math.nan


def _whole(value: Any, name: str, least: int) -> int:
    number = _number(value)
    if not math.isfinite(number) or number != int(number) or number < least:
        raise BadTable(f"{name}: found {value!r}; allowed: an integer of at least {least}")
    return int(number)


def _plain(value: Any) -> Any:
    """A factor's value as a sweep's file would have it."""
    if not _is_there(value):
        return None
    plain = value.item() if isinstance(value, np.generic) else value
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def _record(row: Row, time_ms: int) -> TrialRecord:
    epoch = EpochRecord(row.trial.recipe.epochs, time_ms, dict(row.metrics))
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
        environment={"imported_from": "a table"},
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
