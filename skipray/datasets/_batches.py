"""One epoch's training batches in a given order."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from skipray.datasets import _augmentation
from skipray.datasets._splits import Splits, StreamedImages

if TYPE_CHECKING:
    import torch


def batches(
    splits: Splits, chosen: "Sequence[torch.Tensor]", *, augmentation_seed: int | None, workers: int
) -> "Iterator[tuple[torch.Tensor, torch.Tensor]]":
    """Raw images and labels of each batch.

    Args:
        chosen: indices of each batch's training samples, on the data's device.
        augmentation_seed: of the epoch; None trains on the images as they are. What is drawn for a sample does not
            depend on the batch that it is in.
        workers: processes that decode images, for data that are read while they are used.
    """
    import torch

    images, labels = splits.train_x, splits.train_y
    if not isinstance(images, torch.Tensor):
        streamed = cast("StreamedImages", images)
        stream = streamed.stream(chosen, augmentation_seed=augmentation_seed, workers=workers)
        yield from ((x, labels[index]) for x, index in zip(stream, chosen, strict=True))
        return
    drawn = None
    if augmentation_seed is not None:
        generator = torch.Generator().manual_seed(augmentation_seed)
        drawn = _augmentation.draw(generator, len(labels), splits.flip).to(images.device)
    for index in chosen:
        x = images[index]
        yield (x if drawn is None else _augmentation.standard(x, drawn[index])), labels[index]
