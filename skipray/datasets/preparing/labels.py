"""Whether the arrays of a data set are what its file says, and what its samples are balanced by."""

import numpy as np

from skipray.datasets.preparing.raw import DataCorrupt, Raw, samples_are
from skipray.extension import catalog
from skipray.spec import DatasetSpec, TokenShape
from skipray.spec.samples import Task

IGNORED = -100
"""Label of a position that is not predicted."""


def strata(labels: np.ndarray) -> np.ndarray:
    """What splits keep the shares of: the classes, or nothing where a sample has not one class."""
    return labels if labels.ndim == 1 and labels.dtype.kind in "iub" else np.zeros(len(labels), np.int64)


def check_arrays(dataset: DatasetSpec, raw: Raw, shape: tuple[int, ...], outputs: int, task: Task) -> None:
    """Refuse arrays of another shape, with values that are not finite, and labels that are not what they should be.

    Raises:
        DataCorrupt: with what was found and what is allowed.
    """
    for part in ("train", "test"):
        images, labels = getattr(raw, f"{part}_images"), getattr(raw, f"{part}_labels")
        who = f"{dataset.name}: found {part}"
        if images.shape[1:] != tuple(shape):
            raise DataCorrupt(f"{who} {samples_are(images)} of {images.shape[1:]}; allowed: {tuple(shape)}")
        if not len(labels):
            raise DataCorrupt(f"{who} labels: none; allowed: one for each sample")
        if images.dtype.kind == "f" and not np.isfinite(images).all():
            raise DataCorrupt(f"{who} {samples_are(images)} that are not finite, {_places(images)}")
        _check_tokens(who, images, shape)
        _check_values(who, labels, outputs) if task == "values" else _check_classes(who, labels, outputs, task)
    _check_count(dataset, raw)


def _check_tokens(who: str, images: np.ndarray, shape: tuple[int, ...]) -> None:
    is_tokens = isinstance(shape, TokenShape)
    if is_tokens != (images.dtype == np.int64):
        allowed = "int64 of token numbers" if is_tokens else "uint8, float32 (token numbers have a TokenShape)"
        raise DataCorrupt(f"{who} samples of {images.dtype}; allowed: {allowed}")
    if isinstance(shape, TokenShape) and (images.min() < 0 or images.max() >= shape.vocabulary):
        raise DataCorrupt(f"{who} tokens from {images.min()} to {images.max()}; allowed: 0 to {shape.vocabulary - 1}")


def _check_values(who: str, labels: np.ndarray, outputs: int) -> None:
    if labels.dtype.kind not in "fiu" or labels.reshape(len(labels), -1).shape[1] != outputs:
        found = f"{labels.dtype} {labels.shape}"
        raise DataCorrupt(f"{who} labels of {found}; allowed: numbers, (samples, {outputs}), or (samples,) for one")
    if not np.isfinite(labels).all():
        raise DataCorrupt(f"{who} labels that are not finite, {_places(labels)}")


def _places(values: np.ndarray) -> str:
    """How many values are not finite, and which is the first."""
    odd = ~np.isfinite(values)
    first = tuple(map(int, np.unravel_index(int(np.argmax(odd)), odd.shape)))
    count = int(odd.sum())
    return f"in {count} {'place' if count == 1 else 'places'}, first {values[first]} at {list(first)}; allowed: numbers"


def _check_classes(who: str, labels: np.ndarray, outputs: int, task: Task) -> None:
    allowed = f"class numbers from 0 to {outputs - 1}, of an integer type"
    if labels.dtype.kind not in "iub":
        some = ", ".join(repr(x.item() if isinstance(x, np.generic) else x) for x in labels.reshape(-1)[:3])
        raise DataCorrupt(f'{who} labels of {labels.dtype} ({some}, ...); allowed: {allowed}, or TASK = "values"')
    if (labels.ndim == 2) != (task == "positions"):
        axes = "(samples, positions)" if task == "positions" else "(samples,)"
        raise DataCorrupt(f"{who} labels of shape {labels.shape}; allowed for {task}: {axes}")
    counted = labels[labels != IGNORED] if task == "positions" else labels
    if not len(counted) or counted.min() < 0 or counted.max() >= outputs:
        reach = f"from {counted.min()} to {counted.max()}" if len(counted) else "none that counts"
        raise DataCorrupt(f"{who} labels outside 0 to {outputs - 1}, or none: {reach}; allowed: {allowed}")
    if counted.min() == counted.max() and who.endswith("train"):
        raise DataCorrupt(
            f"{who} labels that are all {counted.min()}; allowed: 2 classes or more, else nothing is learned"
        )


def _check_count(dataset: DatasetSpec, raw: Raw) -> None:
    """A user's own data set says how many training samples it has; skipray's tests read small files in its formats."""
    entry = catalog.find("datasets", dataset.name)
    said = entry.train_samples(dataset) if hasattr(entry, "train_samples") else entry.TRAIN_SAMPLES
    if ":" in dataset.name and said != len(raw.train_images):
        raise DataCorrupt(f"{dataset.name}: found {len(raw.train_images)} training samples; TRAIN_SAMPLES says {said}")
