"""Data sets: one per file. Looking up shapes and missing files needs no torch; opening the data does.

A data set is a module (or, as `module:name`, any object) with
    INPUT_SHAPE and CLASSES (for values: OUTPUTS), or shape_and_classes(dataset): (channels, height, width) of images,
    (features,) of rows, TokenShape(positions, vocabulary) of sequences, with padding=NUMBER where lengths differ
    TASK (or task(dataset)), where labels are not a class for each sample: "positions" or "values" (regression)
    TRAIN_SAMPLES, or train_samples(dataset): training and validation samples together
    FINGERPRINT: sha256 that identifies the data (or the spec gives it): `fingerprint_of` unless the file says else
    FLIP: whether a horizontal flip keeps the class, for images
    load(dataset, root) -> Raw, or open_splits(dataset, fingerprint, root, cache) -> Splits where memory is too small
and optionally samples_left(dataset): of these the training samples alone, where validation takes whole groups;
check(dataset), raising ValueError, missing(dataset, root) -> str | None, and, beside open_splits,
prepare(dataset, fingerprint, root, cache), which verifies without torch, and EXAMPLE: the options that it cannot do
without, with which the tests plan it. A file of this folder says FLIP. It has a FINGERPRINT unless its data are the
user's: then EXAMPLE says so with the options that name them.
Nothing here downloads anything.
"""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from skipray.datasets.preparing import cache as prepared
from skipray.datasets.preparing.batches import batches
from skipray.datasets.preparing.labels import check_arrays, strata
from skipray.datasets.preparing.padding import padded
from skipray.datasets.preparing.partition import evaluated_samples, fixed_order, partition, subset_size
from skipray.datasets.preparing.raw import DataCorrupt, DataMissing, Raw, fingerprint_of
from skipray.datasets.preparing.splits import Images, Splits, moments
from skipray.extension import catalog, own_code
from skipray.extension.contract import Attribute, Contract
from skipray.extension.field_docs import show_fields
from skipray.spec import DatasetSpec, TokenShape
from skipray.spec.samples import TASKS, Task, shape_and_outputs, task_of
from skipray.storage.cache import CacheUnusable, cache_folder

__all__ = [
    "DataCorrupt",
    "DataMissing",
    "Images",
    "Raw",
    "Splits",
    "batches",
    "data_root",
    "evaluated_samples",
    "fingerprint_of",
    "fixed_order",
    "labels_are",
    "missing",
    "open_dataset",
    "prepare",
    "shape_and_classes",
    "subset_size",
    "unusable",
]


def shape_and_classes(dataset: DatasetSpec) -> tuple[tuple[int, ...], int]:
    """The shape of a sample ((channels, height, width), (features,) or a TokenShape), and how many scores it is given:
    the number of classes, or of values. Without the data."""
    return shape_and_outputs(catalog.find("datasets", dataset.name), dataset)


def labels_are(dataset: DatasetSpec) -> Task:
    """classes, positions or values, without the data."""
    return task_of(catalog.find("datasets", dataset.name), dataset)


def data_root(root: str | None = None) -> Path:
    """Where data sets lie: the argument, else SKIPRAY_DATA, else ./data."""
    return Path(root or os.environ.get("SKIPRAY_DATA") or "data").expanduser().absolute()


def missing(dataset: DatasetSpec, root: str | None = None) -> str | None:
    """What to do to get the data, or None if they are there. Opens no file."""
    entry = catalog.find("datasets", dataset.name)
    if not hasattr(entry, "missing"):
        return None
    return entry.missing(dataset, data_root(root))


def open_dataset(dataset: DatasetSpec, fingerprint: str, root: str | None = None) -> Splits:
    """The data set's splits, prepared and verified once per node, mapped after, and opened once per process.

    Args:
        fingerprint: what the data must have (`TrialSpec.fingerprint`).
        root: folder of the data sets, see `data_root`.

    Raises:
        DataMissing: the files are not there; the message says how to get them.
        DataCorrupt: they are not the data that the fingerprint names.
        CacheUnusable: this node's cache cannot be written.
    """
    return _open(dataset.model_dump_json(), fingerprint, str(data_root(root)), str(cache_folder()))


def prepare(dataset: DatasetSpec, fingerprint: str, root: str | None = None) -> None:
    """Verify a data set and put it into this node's cache, if it is not there. Needs no torch.

    Raises:
        DataMissing, DataCorrupt: as open_dataset, before any trial has started.
        CacheUnusable: this node's cache cannot be written.
        Exception: whatever a user's own `load` raises.
    """
    entry, cache = catalog.find("datasets", dataset.name), cache_folder()
    if hasattr(entry, "open_splits"):
        if hasattr(entry, "prepare"):
            entry.prepare(dataset, fingerprint, data_root(root), cache)
        return
    _cached(dataset, fingerprint, data_root(root), cache)


def unusable(dataset: DatasetSpec, fingerprint: str, root: str | None = None, *, listing: bool = True) -> str | None:
    """What keeps trials of this node from using the data, in words; None if nothing does. Prepares them.

    Args:
        listing: whether data that are read while they are used have their files listed, which may take minutes.

    Raises:
        CacheUnusable: this node's cache cannot be written, whatever the data are.
    """
    try:
        if listing or not hasattr(catalog.find("datasets", dataset.name), "open_splits"):
            prepare(dataset, fingerprint, root)
        return missing(dataset, root)
    except (DataMissing, DataCorrupt) as error:
        return str(error)
    except CacheUnusable:
        raise
    except Exception as error:
        return own_code.said(error)


def _cached(
    dataset: DatasetSpec, fingerprint: str, root: Path, cache: Path
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    folder = prepared.folder_of(cache, dataset, fingerprint)
    return prepared.read_or_make(folder, lambda: _prepare(dataset, fingerprint, root))


@lru_cache(maxsize=4)
def _open(dataset_json: str, fingerprint: str, root: str, cache: str) -> Splits:
    dataset = DatasetSpec.model_validate_json(dataset_json)
    entry = catalog.find("datasets", dataset.name)
    if hasattr(entry, "open_splits"):
        return entry.open_splits(dataset, fingerprint, Path(root), Path(cache))
    import torch

    arrays, meta = _cached(dataset, fingerprint, Path(root), Path(cache))
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    shape, classes = shape_and_classes(dataset)
    return Splits(
        **tensors,
        mean=torch.tensor(meta["mean"], dtype=torch.float32),
        std=torch.tensor(meta["std"], dtype=torch.float32),
        classes=classes,
        flip=bool(getattr(entry, "FLIP", False)),
        tokens=isinstance(shape, TokenShape),
    )


def _prepare(dataset: DatasetSpec, fingerprint: str, root: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    entry = catalog.find("datasets", dataset.name)
    raw = _loaded(dataset, entry, root)
    found = raw.fingerprint or fingerprint_of(raw)
    if found != fingerprint:
        raise DataCorrupt(f"{dataset.name}: found the fingerprint {found}; allowed: {fingerprint}")
    shape, classes = shape_and_classes(dataset)
    task = task_of(entry, dataset)
    raw = padded(dataset.name, raw, shape, task)
    check_arrays(dataset, raw, shape, classes, task)
    parts = partition(dataset, strata(raw.train_labels), strata(raw.test_labels), raw.train_groups)
    mean, std = moments(raw.train_images[parts.train], _standardise(dataset, shape))
    kind = np.float32 if task == "values" else np.int64

    def labels(found: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        taken = found[chosen].astype(kind)
        return taken[:, None] if task == "values" and taken.ndim == 1 else taken

    return {
        "train_x": raw.train_images[parts.train],
        "train_y": labels(raw.train_labels, parts.train),
        "validation_x": raw.train_images[parts.validation],
        "validation_y": labels(raw.train_labels, parts.validation),
        "test_x": raw.test_images[parts.test],
        "test_y": labels(raw.test_labels, parts.test),
        "balanced": parts.balanced,
    }, {"mean": mean.tolist(), "std": std.tolist()}


def _loaded(dataset: DatasetSpec, entry: Any, root: Path) -> Raw:
    raw = entry.load(dataset, root)
    if not isinstance(raw, Raw):
        kind = type(raw).__name__
        raise DataCorrupt(f"{dataset.name}: found load that gives a {kind}; allowed: skipray.datasets.Raw")
    return raw


def _standardise(dataset: DatasetSpec, shape: tuple[int, ...]) -> str:
    if isinstance(shape, TokenShape):
        return "none"
    return dataset.standardise or ("per_channel" if len(shape) == 3 else "per_feature")


def _declared(name: str, entry: Any) -> Iterator[str]:
    task = getattr(entry, "TASK", TASKS[0])
    if task not in TASKS:
        yield f"whose TASK is {task!r}; allowed: {', '.join(TASKS)}"
    fingerprint = getattr(entry, "FINGERPRINT", None)
    if fingerprint is not None and not re.fullmatch("[0-9a-f]{64}", fingerprint):
        yield (
            f"whose FINGERPRINT is {fingerprint!r}; allowed: a sha256 of 64 hexadecimal digits, which "
            "skipray.datasets.fingerprint_of(raw) gives of what load returns"
        )


_OF_A_SPLIT = ("dataset", "fingerprint", "root", "cache")
_HOW_TO_FINGERPRINT = (
    ". EXAMPLE is for data that the user names; else FINGERPRINT is what this prints: python -c 'from skipray.spec "
    "import DatasetSpec; from skipray.datasets import data_root, fingerprint_of, {name} as d; "
    'print(fingerprint_of(d.load(DatasetSpec(name="{name}"), data_root())))\''
)
CONTRACT = Contract(
    (
        Attribute(("load",), of="none", call=("dataset", "root")),
        Attribute(("open_splits",), of="none", call=_OF_A_SPLIT),
        Attribute(("load", "open_splits"), kind=object),
        Attribute(("INPUT_SHAPE", "shape_and_classes"), kind=object),
        Attribute(("CLASSES", "OUTPUTS", "shape_and_classes"), kind=object),
        Attribute(("TRAIN_SAMPLES", "train_samples"), kind=object),
        Attribute(("shape_and_classes",), of="none", call=("dataset",)),
        Attribute(("train_samples",), of="none", call=("dataset",)),
        Attribute(("samples_left",), of="none", call=("dataset",)),
        Attribute(("FLIP",), of="files", kind=bool),
        Attribute(("FINGERPRINT", "EXAMPLE"), of="files", kind=(str, dict), remedy=_HOW_TO_FINGERPRINT),
        Attribute(("TASK",), of="none", kind=str),
        Attribute(("task",), of="none", call=("dataset",)),
        Attribute(("check",), of="none", call=("dataset",)),
        Attribute(("missing",), of="none", call=("dataset", "root")),
        Attribute(("prepare",), of="none", call=_OF_A_SPLIT),
    ),
    further=_declared,
)
"""What `skipray.extension.catalog` asks of a data set."""

show_fields(__all__, globals())
