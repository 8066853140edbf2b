"""A table of numbers from a CSV or Parquet file: one row per sample, one column the target.

Options: `address` (a path, in the data folder or else in the working directory, or any address that fsspec reads),
`target` (the column that is predicted), `labels` (classes, the default, or values for regression), `leave_out` (columns
that are not used, separated by commas), `test_fraction` (0.2: of the rows, in a fixed random order),
`standardise_target` (of values; false: as they are, true: less their mean, in units of their deviation, both of the
rows that are not the test's). Classes may be numbers or texts; they are numbered in their sorted order. The spec gives
the fingerprint; where it does not, the refusal prints it. Planning reads the table for its sizes, unless `features`,
`rows` and, for classes, `classes` say them.
"""

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
    reader = pd.read_parquet if address.endswith((".parquet", ".pq")) else pd.read_csv
    try:
        table = reader(address)
    except FileNotFoundError as error:
        raise DataMissing(missing(dataset, Path(root)) or str(error)) from None
    target = str(dataset.options["target"])
    if target not in table.columns:
        raise ValueError(f"{address}: found no column {target!r}; allowed: {_some(table.columns)}")
    left_out = [name.strip() for name in str(dataset.options.get("leave_out", "")).split(",") if name.strip()]
    unknown = [name for name in left_out if name not in table.columns]
    if unknown:
        raise ValueError(f"{address}: found no column {unknown[0]!r} to leave out; there are {_some(table.columns)}")
    features = table.drop(columns=[target, *left_out])
    texts = [name for name in features.columns if not pd.api.types.is_numeric_dtype(features[name])]
    if texts:
        allowed = "numbers; leave_out takes the names of others, separated by commas"
        raise ValueError(f"{address}: found columns that are no numbers: {_some(texts)}; allowed: {allowed}")
    gaps = [name for name in table.columns.drop(left_out) if table[name].isna().any()]
    if gaps:
        raise ValueError(f"{address}: found empty places in {_some(gaps)}; allowed: a value in every row")
    names: tuple[str, ...] = ()
    if task(dataset) == "classes":
        codes, found = pd.factorize(table[target], sort=True)
        names, labels = tuple(map(str, found)), np.asarray(codes, np.int64)
        if len(names) > len(table) // 2:
            raise ValueError(
                f"{address}: found {len(names)} different values of {target!r} in {len(table)} rows; allowed: classes, "
                "or labels: values"
            )
    else:
        labels = np.asarray(table[target], np.float32)
    return np.ascontiguousarray(features.to_numpy(np.float32)), labels, names


def _some(names: "pd.Index[str] | list[str]") -> str:
    shown = ", ".join(map(str, names[:SHOWN]))
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
