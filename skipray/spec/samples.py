"""What a data set's file says of its samples and labels before any of them is read, and how data are identified."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from skipray.spec.fields import DatasetSpec, ModelSpec, ProbeSpec, Recipe
from skipray.spec.shapes import TokenShape

Task = Literal["classes", "positions", "values"]
"""classes: a class for each sample. positions: one for each position of a sequence, -100 where there is none. values:
numbers, (samples, outputs): regression."""
TASKS = ("classes", "positions", "values")
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
MASKS = ("train_mask", "test_mask")
"""Arrays that data need not have."""


def shape_and_outputs(entry: Any, dataset: DatasetSpec) -> tuple[tuple[int, ...], int]:
    """The shape of a sample, and how many scores (or values) a network gives each.

    Raises:
        ValueError: they are not what they must be; says what was found and what is allowed.
    """
    if hasattr(entry, "shape_and_classes"):
        shape, outputs = entry.shape_and_classes(dataset)
    else:
        shape, outputs = entry.INPUT_SHAPE, getattr(entry, "CLASSES", None) or getattr(entry, "OUTPUTS", None)
    whole = isinstance(shape, tuple) and shape and all(_is_count(size) for size in shape)
    if not whole:
        raise ValueError(
            f"{dataset.name}: found the sample shape {shape!r}; allowed: a tuple of whole numbers, such as (channels, "
            "height, width), (features,), or skipray.spec.TokenShape(positions, vocabulary)"
        )
    if not _is_count(outputs):
        raise ValueError(f"{dataset.name}: found CLASSES (or OUTPUTS) {outputs!r}; allowed: a whole number from 1")
    if isinstance(shape, TokenShape):
        if not _is_count(shape.vocabulary):
            raise ValueError(
                f"{dataset.name}: found the vocabulary {shape.vocabulary!r}; allowed: a whole number from 1"
            )
        padding: Any = shape.padding
        if padding is not None and not (type(padding) is int and 0 <= padding < shape.vocabulary):
            raise ValueError(f"{dataset.name}: found the padding {padding!r}; allowed: 0 to {shape.vocabulary - 1}")
        shape = shape.labelled(task_of(entry, dataset))
    return shape, outputs


def most_train_samples(entry: Any, dataset: DatasetSpec) -> int:
    """How many samples training and validation have together."""
    return int(entry.train_samples(dataset) if hasattr(entry, "train_samples") else entry.TRAIN_SAMPLES)


def samples_left(entry: Any, dataset: DatasetSpec) -> int:
    """How many of these are left for training beside the samples that validation holds out."""
    if hasattr(entry, "samples_left"):
        return int(entry.samples_left(dataset))
    return round(most_train_samples(entry, dataset) * (1 - dataset.validation_fraction))


def task_of(entry: Any, dataset: DatasetSpec) -> Task:
    """What the labels are.

    Raises:
        ValueError: a word that is no task.
    """
    task: Any = entry.task(dataset) if hasattr(entry, "task") else getattr(entry, "TASK", "classes")
    if task not in TASKS:
        raise ValueError(f"found TASK {task!r}; allowed: {', '.join(TASKS)}")
    return cast(Task, task)


def mistakes(
    entry: Any, shape: tuple[int, ...], dataset: DatasetSpec, model: ModelSpec, recipe: Recipe, probe: ProbeSpec
) -> Iterator[tuple[str, str, str]]:
    """(Section, field, what was found and what is allowed) of what these data cannot be used for."""
    task = task_of(entry, dataset)
    tokens = isinstance(shape, TokenShape)
    own = ":" in model.architecture
    if not own and model.kind == "cnn" and len(shape) != 3:
        said = f"found data of shape {shape!r}; allowed for {model.architecture} (cnn): (channels, height, width)"
        yield "model", "kind", said
    if not own and tokens and model.kind == "mlp":
        yield "model", "architecture", f"found data of token numbers; allowed for {model.architecture}: numbers"
    if not own and not tokens and task == "positions":
        said = "found labels of each position; allowed for skipray's families: token numbers with them, or one label"
        yield "dataset", "name", said
    if recipe.augmentation != "none" and len(shape) != 3:
        yield "recipe", "augmentation", f"found {recipe.augmentation}; allowed for data of shape {shape!r}: none"
    channels = dataset.standardise == "per_channel" and len(shape) != 3
    if channels or (tokens and dataset.standardise not in (None, "none")):
        allowed = "none" if tokens else "per_feature, none"
        yield "dataset", "standardise", f"found {dataset.standardise}; allowed for data of shape {shape!r}: {allowed}"
    loss = "cross_entropy" if recipe.loss is None else recipe.loss["name"]
    if task == "values" and loss == "cross_entropy":
        allowed = "mse, binary, module:name"
        yield "recipe", "loss", f"found {loss}; allowed for {dataset.name}, whose labels are values: {allowed}"
    if task != "classes":
        if recipe.mixing is not None:
            yield "recipe", "mixing", f"found {recipe.mixing['name']}; allowed: data with a class for each sample"
        for key in ("hessian", "jacobian") if task == "positions" else ("hessian",):
            if getattr(probe, key):
                yield "probe", key, f"found true; allowed for labels that are {task}: left out"
        if recipe.schedule == "he2015" and task == "values":
            yield "recipe", "schedule", "found he2015, whose warm-up looks at accuracy; allowed for values: another"
    if recipe.mixing is not None and recipe.mixing["name"] == "cutmix" and len(shape) != 3:
        yield "recipe", "mixing", f"found cutmix; allowed for data of shape {shape!r}: mixup"


def array_fingerprint(raw: Any) -> str:
    """sha256 over the decoded arrays: names, types, shapes and values; no matter how the files were packed."""
    digest = hashlib.sha256()
    for name in [*ARRAYS, *(mask for mask in MASKS if getattr(raw, mask, None) is not None)]:
        array = np.asarray(getattr(raw, name))
        if array.dtype.kind not in "biuf":
            array = np.frombuffer("\n".join(map(str, array.reshape(-1))).encode(), np.uint8)
        elif name.endswith("labels"):
            array = array.astype("<f4" if array.dtype.kind == "f" else "<i8")
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def found_fingerprint(entry: Any, dataset: DatasetSpec) -> str:
    """The fingerprint of the data as they are here, in words for a refusal; what kept it from being made."""
    root = Path(os.environ.get("SKIPRAY_DATA") or "data").expanduser().absolute()
    try:
        raw = entry.load(dataset, root)
        if not all(hasattr(raw, name) for name in ARRAYS):
            return f"of what load gives: found a {type(raw).__name__}; allowed: skipray.datasets.Raw"
        return f"as they are here: fingerprint: {getattr(raw, 'fingerprint', None) or array_fingerprint(raw)}"
    except Exception as error:
        return f"which skipray.datasets.fingerprint_of gives ({type(error).__name__}: {error})"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
