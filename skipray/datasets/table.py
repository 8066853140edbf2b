"""A table of numbers from a CSV or Parquet file: one row per sample, one column the target.

Options: `address` (a path, in the data folder or else in the working directory, or any address that fsspec reads),
`target` (the column that is predicted), `labels` (classes, the default, or values for regression), `leave_out` (columns
that are not used, separated by commas), `test_fraction` (0.2: of the rows, in a fixed random order),
`standardise_target` (of values; false: as they are, true: less their mean, in units of their deviation, both of the
rows that are not the test's). Classes may be numbers or texts; they are numbered in their sorted order. The spec gives
the fingerprint; where it does not, the refusal prints it. Planning reads the table for its sizes, unless `features`,
`rows` and, for classes, `classes` say them.
"""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from skipray.datasets.preparing.partition import fixed_order
from skipray.datasets.preparing.raw import DataMissing, Raw
from skipray.spec import DatasetSpec

FLIP = False
EXAMPLE = {"address": "t.csv", "target": "y", "features": 3, "classes": 2, "rows": 200}
OPTIONS = (
    "address", "target", "labels", "leave_out", "test_fraction", "standardise_target", "features", "rows", "classes",
)  # fmt: skip
TEST_FRACTION = 0.2
EPSILON = 2.0**-24
"""A number's rounding to float32, in its own units."""
LEVELS = 1000
"""So many steps between its lowest and its highest number a column has at least, after rounding."""
PARQUET = (".parquet", ".pq")
NAMELESS = "Unnamed: "
"""What pandas calls a column without a name, with its number."""
RENAMED = re.compile(r"(?s).*\.\d+")
"""What pandas calls the second of two columns of one name."""
SHOWN = 5
"""Columns that a message names."""


def check(dataset: DatasetSpec) -> None:
    """Raises ValueError for options that are missing, unknown or cannot be."""
    options = dataset.options
    for key in options:
        if key not in OPTIONS:
            raise ValueError(f"found the option {key!r}; allowed: {', '.join(OPTIONS)}")
    for key in ("address", "target"):
        if not isinstance(options.get(key), str):
            raise ValueError(f"found {key} {options.get(key)!r}; allowed: a text, {_MEANING[key]}")
    if options.get("labels", "classes") not in ("classes", "values"):
        raise ValueError(f"found labels {options['labels']!r}; allowed: classes, values")
    for key in ("features", "rows", "classes"):
        value = options.get(key, 2)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"found {key} {value!r}; allowed: a whole number from 1, as the table has it")
    fraction = options.get("test_fraction", TEST_FRACTION)
    if isinstance(fraction, bool | str) or not 0 < fraction < 1:
        raise ValueError(f"found test_fraction {fraction!r}; allowed: a number above 0 and below 1")
    scaled = options.get("standardise_target", False)
    if not isinstance(scaled, bool) or (scaled and task(dataset) != "values"):
        raise ValueError(f"found standardise_target {scaled!r}; allowed: true, of labels that are values; false")


_MEANING = {"address": "where the CSV or Parquet file is", "target": "the column that is predicted"}


def task(dataset: DatasetSpec) -> str:
    """classes or values."""
    return str(dataset.options.get("labels", "classes"))


def missing(dataset: DatasetSpec, root: Path) -> str | None:
    """What to do where the file is not there; an address that is not a path is not asked."""
    path = _address(dataset, root)
    if "://" in path or Path(path).exists():
        return None
    return f"found no table at {path}, nor in the working directory; put it there, or set SKIPRAY_DATA to its folder"


def shape_and_classes(dataset: DatasetSpec) -> tuple[tuple[int, ...], int]:
    """(features,), and the number of classes, or 1 value. Reads the file, once per process."""
    options, values = dataset.options, task(dataset) == "values"
    if "features" in options and (values or "classes" in options):
        return (int(options["features"]),), 1 if values else int(options["classes"])
    features, _, names = _read(dataset.model_dump_json(), str(_root()))
    return (features.shape[1],), 1 if values else len(names)


def train_samples(dataset: DatasetSpec) -> int:
    """Rows of training and validation together."""
    rows = dataset.options.get("rows") or len(_read(dataset.model_dump_json(), str(_root()))[1])
    return int(rows) - _test_rows(dataset, int(rows))


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """The rows, the test's last in a fixed random order."""
    features, target, _ = _read(dataset.model_dump_json(), str(root))
    order = fixed_order("table test", len(target))
    cut = len(target) - _test_rows(dataset, len(target))
    train, test = np.sort(order[:cut]), np.sort(order[cut:])
    if dataset.options.get("standardise_target", False):
        mean, deviation = target[train].mean(dtype=np.float64), target[train].std(dtype=np.float64)
        target = ((target - mean) / (deviation or 1.0)).astype(np.float32)
    return Raw(features[train], target[train], features[test], target[test])


def _root() -> Path:
    from skipray.datasets import data_root

    return data_root()


def _address(dataset: DatasetSpec, root: Path) -> str:
    address = str(dataset.options["address"])
    if "://" in address:
        return address
    path = Path(address).expanduser()
    return str(path if path.exists() and not (root / path).exists() else root / path)


def _test_rows(dataset: DatasetSpec, rows: int) -> int:
    return min(rows - 1, max(1, round(rows * float(dataset.options.get("test_fraction", TEST_FRACTION)))))


@lru_cache(maxsize=4)
def _read(dataset_json: str, root: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """(rows, features) float32, (rows,) targets, and the names of the classes."""
    dataset = DatasetSpec.model_validate_json(dataset_json)
    address = _address(dataset, Path(root))
    try:
        table = _table(address)
    except FileNotFoundError as error:
        raise DataMissing(missing(dataset, Path(root)) or str(error)) from None
    except ValueError as error:  # what pandas and pyarrow raise, and text in another encoding
        raise ValueError(f"{address}: found no table that can be read: {str(error).strip()}") from error
    target = str(dataset.options["target"])
    if target not in table.columns:
        raise ValueError(f"{address}: found no column {target!r}; allowed: {_some(table.columns)}")
    left_out = [name.strip() for name in str(dataset.options.get("leave_out", "")).split(",") if name.strip()]
    unknown = [name for name in left_out if name not in table.columns]
    if unknown:
        raise ValueError(f"{address}: found no column {unknown[0]!r} to leave out; there are {_some(table.columns)}")
    features = table.drop(columns=[target, *left_out])
    if any(str(name).startswith(NAMELESS) for name in features.columns):
        nameless = next(str(name) for name in features.columns if str(name).startswith(NAMELESS))
        raise ValueError(
            f"{address}: found a column without a name, as the numbers of rows are written; allowed: a name, or "
            f"leave_out: {nameless!r}"
        )
    texts = [name for name in features.columns if not pd.api.types.is_numeric_dtype(features[name])]
    if texts:
        allowed = "numbers; leave_out takes the names of others, separated by commas"
        raise ValueError(f"{address}: found columns that are no numbers: {_some(texts)}; allowed: {allowed}")
    _check_gaps(address, table[table.columns.drop(left_out)])
    measured = [*features.columns, *([target] if task(dataset) == "values" else [])]
    _check_numbers(address, table[measured])
    names: tuple[str, ...] = ()
    if task(dataset) == "classes":
        try:
            codes, found = pd.factorize(table[target], sort=True)
        except TypeError:
            raise ValueError(
                f"{address}: found {target!r} with values such as {table[target].iloc[0]!r}; allowed: numbers or texts"
            ) from None
        names, labels = tuple(map(str, found)), np.asarray(codes, np.int64)
        if len(names) == 1:
            raise ValueError(
                f"{address}: found one value of {target!r} in all rows, {names[0]}; allowed: 2 classes or more"
            )
        if len(names) > len(table) // 2:
            raise ValueError(
                f"{address}: found {len(names)} different values of {target!r} in {len(table)} rows; allowed: classes, "
                "or labels: values"
            )
    else:
        labels = np.asarray(table[target], np.float32)
    return np.ascontiguousarray(features.to_numpy(np.float32)), labels, names


def _table(address: str) -> pd.DataFrame:
    """The file as it is.

    Raises:
        ValueError: what pandas would read otherwise than it stands there.
    """
    if address.endswith(PARQUET):
        return pd.read_parquet(address)
    table = pd.read_csv(address)
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is too much for the names of the rows
        raise ValueError("rows of more values than there are names of columns")
    if table.empty:
        raise ValueError("no rows")
    if any(RENAMED.fullmatch(str(name)) for name in table.columns):  # only then is the file read once more
        header = pd.read_csv(address, header=None, nrows=1, dtype=str).iloc[0].dropna()
        twice = list(header[header.duplicated()])
        if twice:
            raise ValueError(f"more than one column {_some(twice)}")
    return table


def _check_gaps(address: str, table: pd.DataFrame) -> None:
    gaps = [name for name in table.columns if table[name].isna().any()]
    if gaps:
        rows = np.flatnonzero(table[gaps[0]].isna())
        words = "" if address.endswith(PARQUET) else "; NA, nan, null, None and the like are read as empty"
        where = f"{len(rows)} in {gaps[0]}, the first in row {rows[0] + 1}"
        raise ValueError(
            f"{address}: found empty places in {_some(gaps)} ({where}); allowed: a value in every row{words}"
        )


def _check_numbers(address: str, table: pd.DataFrame) -> None:
    """Refuse numbers that are not finite in float32, and columns whose rows float32 cannot tell apart."""
    with np.errstate(over="ignore"):
        narrow = {name: table[name].to_numpy(np.float32) for name in table.columns}
    wide = {name: table[name].to_numpy(np.float64) for name in table.columns}
    endless = [name for name, values in narrow.items() if not np.isfinite(values).all()]
    if endless:
        raise ValueError(f"{address}: found numbers that float32 has not in {_some(endless)}; allowed: up to 3.4e38")
    merged = [name for name, values in wide.items() if np.abs(values).max() * EPSILON > np.ptp(values) / LEVELS > 0]
    if merged:
        first = wide[merged[0]]
        raise ValueError(
            f"{address}: found columns that float32 cannot tell apart: {_some(merged)} ({first.min():.15g} to "
            f"{first.max():.15g}); allowed: such numbers less an offset, or leave_out with their names"
        )


def _some(names: "pd.Index[str] | list[str]") -> str:
    shown = ", ".join(map(str, names[:SHOWN]))
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
