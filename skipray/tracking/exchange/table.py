"""A CSV or Parquet of results as a table whose columns bear the names that a sweep's fields have.

What would be read as something else than it says is refused: columns told twice, rows longer than the header, values
in percent, texts among numbers.
"""

import csv
import math
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from skipray.errors import SkiprayError
from skipray.records import no_share
from skipray.spec import ModelSpec, Recipe
from skipray.spec.cell import bare_name
from skipray.spec.data_factors import is_factor
from skipray.spec.models import OPTION
from skipray.spec.values import plain
from skipray.tracking.schema import PROFILE_PREFIX, TIME_KEY

NEEDED = ("architecture", "depth", "seed")
SETTING = "setting"
"""default or tuned, of results that were tuned by cell: what `tune:` chose is no factor."""
KNOWN = (*NEEDED, SETTING, "outcome", "epochs", "parameters", TIME_KEY)
EPOCHS_FACTOR = "recipe.epochs"
"""Its column is a factor; `epochs` alone only says how long each trial was."""
MAPPINGS = ("options", "rules")
"""Fields that hold several values; the options come in a column each, `options.heads`."""
ALLOWED = f"a number, a field of model, recipe or dataset, {', '.join(KNOWN)}"
LONGEST_KEY = 250
"""Characters of a metric's name that MLflow takes."""
NOT_METRICS = (PROFILE_PREFIX, "time.")
"""What the names of other values than an epoch's begin with."""


class BadTable(SkiprayError, ValueError):
    """A table that is no sweep: what was found and what is allowed."""


@dataclass(frozen=True)
class ResultTable:
    """A row per trial."""

    rows: tuple[dict[str, Any], ...]
    """Column -> value, None where there is none. Values are Python's own."""
    factors: tuple[str, ...]
    """Bare names of the columns that are fields, but architecture and depth."""
    metrics: tuple[str, ...]


def read_table(path: Path) -> ResultTable:
    """The table of a file. BadTable with a line for each mistake."""
    frame = _frame(path)
    names = [column_name(str(column)) for column in frame.columns]
    absent = [name for name in NEEDED if name not in names]
    if absent:
        found = ", ".join(names[:12]) or "none"
        raise BadTable(
            f"{path}: found no column {', '.join(absent)} among {found}; allowed: {', '.join(NEEDED)} and metrics"
        )
    if not len(frame):
        raise BadTable(f"{path}: found no row; allowed: at least one")
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise BadTable(f"{path}: found the column {twice[0]} twice; allowed: each field and metric in one column")
    frame.columns = pd.Index(names)
    factors = tuple(name for name in names if is_factor_column(name))
    metrics = tuple(name for name in names if name not in (*KNOWN, *factors))
    rows = tuple(
        {str(name): _plain(value) for name, value in row.items()} for row in frame.astype(object).to_dict("records")
    )
    mistakes = [line for name in metrics for line in _mistakes(name, [row[name] for row in rows])]
    if mistakes:
        raise BadTable("\n".join(f"{path}: {line}" for line in mistakes[:20]))
    return ResultTable(rows, factors, metrics)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _frame(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() != ".parquet":
            return _csv(path)
        frame = pd.read_parquet(path)
        return frame.reset_index() if any(name is not None for name in frame.index.names) else frame
    except BadTable:
        raise
    except UnicodeDecodeError:
        raise BadTable(f"{path}: cannot be read as a table: found other letters than UTF-8; allowed: UTF-8") from None
    except (OSError, ValueError, OverflowError, csv.Error, pd.errors.ParserError, pa.ArrowException) as error:
        text = (str(error).splitlines() or [""])[0]
        raise BadTable(f"{path}: cannot be read as a table: {type(error).__name__}: {text}") from None


def _csv(path: Path) -> pd.DataFrame:
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, skipinitialspace=True, keep_default_na=False)
    names = [str(name).strip().removeprefix("\ufeff") for name in header.iloc[0]]
    separator = next((mark for mark in (";", "\t") if len(names) == 1 and mark in names[0]), None)
    if separator is not None:
        raise BadTable(f"{path}: found columns separated by {separator!r}; allowed: by commas, with decimal points")
    longer = _longer(path, len(names))
    if longer is not None:
        raise BadTable(f"{path}: row {longer}: found more values than the header has columns; allowed: as many")
    frame = pd.read_csv(path, header=0, names=range(len(names)), index_col=False, skipinitialspace=True)
    for i in (i for i, name in enumerate(names) if column_name(name) == NEEDED[0]):
        # A network may be called NA, None or null, which are gaps elsewhere.
        as_texts: dict[str, Any] = {"dtype": {i: str}, "usecols": [i], "keep_default_na": False, "na_values": [""]}
        texts = pd.read_csv(path, header=0, names=range(len(names)), index_col=False, skipinitialspace=True, **as_texts)
        frame[i] = texts[i]
    # What pandas writes without a name is the number of the row.
    counted = [i for i, name in enumerate(names) if not name and frame[i].tolist() == list(range(len(frame)))]
    frame = frame.drop(columns=counted)
    frame.columns = pd.Index([name for i, name in enumerate(names) if i not in counted])
    return frame


def _longer(path: Path, columns: int) -> int | None:
    """The first row with more values than there are columns; commas at its end are none.

    pandas only warns of some such rows, and what becomes of a warning is decided by all threads of a process.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = (row for row in csv.reader(file, skipinitialspace=True) if row)
        return next((i for i, row in enumerate(rows) if any(value.strip() for value in row[columns:])), None)


def column_name(column: str) -> str:
    """What a column is called here: fields by their bare names, numbers as they are."""
    if column.strip() == EPOCHS_FACTOR:
        return EPOCHS_FACTOR
    bare = bare_name(column.strip())
    return bare if bare in KNOWN or is_factor_column(bare) else column.strip()


def is_factor_column(name: str) -> bool:
    """Whether a column is a field that a sweep could cross; mappings of options come a column each."""
    option = name.startswith(OPTION) and len(name) > len(OPTION)
    field = name in {**ModelSpec.model_fields, **Recipe.model_fields} and name not in (*KNOWN, *MAPPINGS)
    return name == EPOCHS_FACTOR or option or is_factor(name) or field


def _plain(value: Any) -> Any:
    """A value as a sweep's file would have it, None where there is none."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    made = plain(value)
    return None if isinstance(made, float) and math.isnan(made) else made


def _mistakes(name: str, values: Iterable[Any]) -> Iterator[str]:
    """What is wrong with a column of a metric, in a line."""
    if not name or len(name) > LONGEST_KEY or not re.fullmatch(r"[\w.\-/ ]+", name) or posixpath.normpath(name) != name:
        yield f"found the column {name!r}; allowed as a metric's name: letters, digits, '_', '-', '.', '/' and spaces"
        return
    if name.startswith(NOT_METRICS) or name in MAPPINGS:
        yield f"found the column {name}; allowed: {ALLOWED}"
        return
    for number, value in enumerate(values, 1):
        if value is not None and not isinstance(value, int | float):
            kind = "texts" if isinstance(value, str) else "what is no number"
            yield f"found the column {name} with {kind} (row {number}: {str(value)[:40]!r}); allowed: {ALLOWED}"
            return
        if value is not None and (wrong := no_share(name, value)):
            yield f"row {number}: {name}: {wrong}"
            return
