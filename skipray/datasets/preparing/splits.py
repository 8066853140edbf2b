"""A data set as trials see it: train, validation and test, how to normalise, and the fixed probe batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch


class Images(Protocol):
    """Images by index: a tensor that is mapped from a file, or a folder that is read as it is asked."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: "torch.Tensor") -> "torch.Tensor":
        """(samples, channels, height, width) in the file's own type and scale."""
        ...


class StreamedImages(Images, Protocol):
    """Images that are read while they are used."""

    def stream(
        self, chosen: "Sequence[torch.Tensor]", *, augmentation_seed: int | None, workers: int
    ) -> "Iterator[torch.Tensor]":
        """Batches on the CPU, in order, see `skipray.datasets.preparing.batches`."""
        ...


@dataclass(frozen=True)
class Splits:
    """Train, validation and test images (raw, see `normalise`) and labels (int64).

    The tensors are backed by mapped files that all processes of a node share. They keep the files' own type: uint8 is
    a quarter of the memory and of the traffic of float32, and converting a batch of 128 costs 20 microseconds at 64
    features and 130 at 3072, under 0.5 % of the smallest network's step.
    """

    train_x: "Images"
    train_y: "torch.Tensor"
    validation_x: "Images"
    validation_y: "torch.Tensor"
    test_x: "Images"
    test_y: "torch.Tensor"
    balanced: "torch.Tensor"
    """Training samples in a fixed order whose every beginning is class-balanced."""
    mean: "torch.Tensor"
    """(channels, 1, 1), of a sample's shape, or (): of the training samples, in their own scale."""
    std: "torch.Tensor"
    classes: int
    flip: bool
    """Whether `standard` augmentation may flip images horizontally."""
    tokens: bool = False
    """Samples are token numbers, which are not standardised."""

    def to(self, device: "torch.device") -> "Splits":
        """The same splits with all tensors on a device: a whole data set is small beside a network's activations."""
        import torch

        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {name: value.to(device) for name, value in values.items() if isinstance(value, torch.Tensor)}
        return Splits(**values)

    def normalise(self, images: "torch.Tensor") -> "torch.Tensor":
        """Raw samples as float32, standardised by the training split's mean and deviation; tokens as they are."""
        if self.tokens:
            return images
        mean, std = self.mean.to(images.device), self.std.to(images.device)
        return images.float().sub_(mean).div_(std) if images.dtype != mean.dtype else images.sub(mean).div_(std)

    def probe_batch(self, samples: int) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Normalised inputs and labels of the first samples of the class-balanced order: the same for every trial.

        At most as many as the training split has.
        """
        index = self.balanced[:samples]
        return self.normalise(self.train_x[index]), self.train_y[index]

    @property
    def majority_share(self) -> float:
        """Share of the most frequent class among the training split's labels."""
        labels = self.train_y[self.train_y >= 0]
        return int(labels.bincount().max()) / len(labels)

    @property
    def labelled(self) -> int:
        """Labels of the training split that count: samples, or positions."""
        return len(self.train_y) if self.train_y.is_floating_point() else int((self.train_y >= 0).sum())


NARROW = 1e-4
"""Deviations below so much of the mean are summed from the mean."""


def moments(images: np.ndarray, how: str, chunk: int = 4096) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation that samples are standardised by, in float64 over chunks; a constant one has the deviation 1.

    Args:
        how: per_channel: (channels, 1, 1). per_feature: of each number, of a sample's shape. none: 0 and 1, ().
    """
    if how == "none":
        return np.zeros((), np.float32), np.ones((), np.float32)
    axes = (0, 2, 3) if how == "per_channel" else (0,)
    shape = (images.shape[1],) if how == "per_channel" else images.shape[1:]
    total, square, count = np.zeros(shape), np.zeros(shape), 0
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    for part in _parts(images, chunk):
        total += part.sum(axes)
        square += (part * part).sum(axes)
        low, high = np.minimum(low, part.min(axes)), np.maximum(high, part.max(axes))
        count += part.size // total.size
    mean = total / count
    std = np.sqrt(np.maximum(square / count - mean * mean, 0))
    if (std < NARROW * np.abs(mean)).any():  # the difference of the squares has lost its digits
        widened = np.expand_dims(mean, axes)
        squares = sum(((part - widened) ** 2).sum(axes) for part in _parts(images, chunk))
        std = np.where(std < NARROW * np.abs(mean), np.sqrt(squares / count), std)
    std = np.where((high > low) & (std > np.finfo(np.float32).tiny), std, 1)
    if how == "per_channel":
        mean, std = mean[:, None, None], std[:, None, None]
    return mean.astype(np.float32), std.astype(np.float32)


def _parts(images: np.ndarray, chunk: int) -> Iterator[np.ndarray]:
    """The samples in float64, some at a time."""
    for start in range(0, len(images), chunk):
        yield images[start : start + chunk].astype(np.float64)
