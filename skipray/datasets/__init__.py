"""Data sets: one a file. Looking up shapes and missing files needs no torch; opening the data does.

A data set is a module (or, as `module:name`, any object) with
    INPUT_SHAPE (channels, height, width) and CLASSES, or shape_and_classes(dataset)
    TRAIN_SAMPLES, or train_samples(dataset): training and validation samples together
    FINGERPRINT: sha256 that identifies the data (or the spec gives it): `fingerprint_of` unless the file says else
    FLIP: whether a horizontal flip keeps the class
    load(dataset, root) -> Raw, or open_splits(dataset, fingerprint, root, cache) -> Splits where memory is too small
and optionally check(dataset), raising ValueError, missing(dataset, root) -> str | None, and, beside open_splits,
prepare(dataset, fingerprint, root, cache), which verifies without torch.
Nothing here downloads anything.
"""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from skipray.datasets import _cache
from skipray.datasets._partition import evaluated_samples, partition
from skipray.datasets._raw import DataCorrupt, DataMissing, Raw, fingerprint_of
from skipray.datasets._splits import Images, Splits, channel_moments
from skipray.extension import catalog, own_code
from skipray.spec import DatasetSpec

__all__ = [
    "DataCorrupt",
    "DataMissing",
    "Images",
    "Raw",
    "Splits",
    "data_root",
    "evaluated_samples",
    "fingerprint_of",
    "missing",
    "open_dataset",
    "prepare",
    "shape_and_classes",
    "unusable",
]


def shape_and_classes(dataset: DatasetSpec) -> tuple[tuple[int, int, int], int]:
    """(channels, height, width) and the number of classes, without the data."""
    entry = catalog.find("datasets", dataset.name)
    if hasattr(entry, "shape_and_classes"):
        shape, classes = entry.shape_and_classes(dataset)
        return tuple(shape), classes
    return entry.INPUT_SHAPE, entry.CLASSES


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
    """The data set's splits, prepared and verified once a node, mapped after, and opened once a process.

    Args:
        fingerprint: what the data must have (`TrialSpec.fingerprint`).
        root: folder of the data sets, see `data_root`.

    Raises:
        DataMissing: the files are not there; the message says how to get them.
        DataCorrupt: they are not the data that the fingerprint names.
    """
    return _open(dataset.model_dump_json(), fingerprint, str(data_root(root)), str(_cache.cache_folder()))


def prepare(dataset: DatasetSpec, fingerprint: str, root: str | None = None) -> None:
    """Verify a data set and put it into this node's cache, if it is not there. Needs no torch.

    Raises:
        DataMissing, DataCorrupt: as open_dataset, before any trial has started.
        Exception: whatever a user's own `load` raises.
    """
    entry, cache = catalog.find("datasets", dataset.name), _cache.cache_folder()
    if hasattr(entry, "open_splits"):
        if hasattr(entry, "prepare"):
            entry.prepare(dataset, fingerprint, data_root(root), cache)
        return
    _cached(dataset, fingerprint, data_root(root), cache)


def unusable(dataset: DatasetSpec, fingerprint: str, root: str | None = None, *, listing: bool = True) -> str | None:
    """What keeps trials of this node from using the data, in words; None if nothing does. Prepares them.

    Args:
        listing: whether data that are read while they are used have their files listed, which may take minutes.
    """
    try:
        if listing or not hasattr(catalog.find("datasets", dataset.name), "open_splits"):
            prepare(dataset, fingerprint, root)
        return missing(dataset, root)
    except (DataMissing, DataCorrupt) as error:
        return str(error)
    except Exception as error:
        return own_code.said(error)


def _cached(
    dataset: DatasetSpec, fingerprint: str, root: Path, cache: Path
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    folder = _cache.folder_of(cache, dataset, fingerprint)
    return _cache.read_or_make(folder, lambda: _prepare(dataset, fingerprint, root))


@lru_cache(maxsize=4)
def _open(dataset_json: str, fingerprint: str, root: str, cache: str) -> Splits:
    dataset = DatasetSpec.model_validate_json(dataset_json)
    entry = catalog.find("datasets", dataset.name)
    if hasattr(entry, "open_splits"):
        return entry.open_splits(dataset, fingerprint, Path(root), Path(cache))
    import torch

    arrays, meta = _cached(dataset, fingerprint, Path(root), Path(cache))
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    _, classes = shape_and_classes(dataset)
    return Splits(
        **tensors,
        mean=torch.tensor(meta["mean"], dtype=torch.float32)[:, None, None],
        std=torch.tensor(meta["std"], dtype=torch.float32)[:, None, None],
        classes=classes,
        flip=bool(entry.FLIP),
    )


def _prepare(
    dataset: DatasetSpec, fingerprint: str, root: Path
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    entry = catalog.find("datasets", dataset.name)
    raw = entry.load(dataset, root)
    found = raw.fingerprint or fingerprint_of(raw)
    if found != fingerprint:
        raise DataCorrupt(f"{dataset.name}: found the fingerprint {found}; allowed: {fingerprint}")
    _check_arrays(dataset, raw)
    parts = partition(dataset, raw.train_labels, raw.test_labels, raw.train_groups)
    mean, std = channel_moments(raw.train_images[parts.train])
    return {
        "train_x": raw.train_images[parts.train],
        "train_y": raw.train_labels[parts.train].astype(np.int64),
        "validation_x": raw.train_images[parts.validation],
        "validation_y": raw.train_labels[parts.validation].astype(np.int64),
        "test_x": raw.test_images[parts.test],
        "test_y": raw.test_labels[parts.test].astype(np.int64),
        "balanced": parts.balanced,
    }, {"mean": mean.tolist(), "std": std.tolist()}


def _check_arrays(dataset: DatasetSpec, raw: Raw) -> None:
    shape, classes = shape_and_classes(dataset)
    for part, images, labels in (
        ("train", raw.train_images, raw.train_labels),
        ("test", raw.test_images, raw.test_labels),
    ):
        if images.shape[1:] != shape:
            raise DataCorrupt(f"{dataset.name}: found {part} images of {images.shape[1:]}; allowed: {shape}")
        if not len(labels) or labels.min() < 0 or labels.max() >= classes:
            raise DataCorrupt(f"{dataset.name}: found {part} labels outside 0 to {classes - 1}, or none")
        if images.dtype.kind == "f" and not np.isfinite(images).all():
            raise DataCorrupt(f"{dataset.name}: found {part} images that are not finite")
