"""Batches in a given order, augmented or not, from memory or decoded on the way."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from skipray.datasets.preparing import augmentation
from skipray.datasets.preparing.splits import Images, StreamedImages

if TYPE_CHECKING:
    import torch


def batches(
    images: Images,
    labels: "torch.Tensor",
    chosen: "Sequence[torch.Tensor]",
    *,
    augmentation_seed: int | None = None,
    flip: bool = False,
    workers: int = 1,
) -> "Iterator[tuple[torch.Tensor, torch.Tensor]]":
    """Raw images and labels of each batch, on the labels' device.

    Args:
        chosen: indices of each batch's samples, on the labels' device.
        augmentation_seed: of the epoch; None takes the images as they are. What is drawn for a sample does not depend
            on the batch that it is in.
        flip: whether augmentation may flip horizontally.
        workers: processes that decode images, for data that are read while they are used.
    """
    import torch

    if not isinstance(images, torch.Tensor):
        streamed = cast("StreamedImages", images)
        stream = streamed.stream(chosen, augmentation_seed=augmentation_seed, workers=workers)
        for x, index in zip(stream, chosen, strict=True):
            yield x.to(labels.device, non_blocking=True), labels.index_select(0, index)
        return
    drawn = None
    if augmentation_seed is not None:
        generator = torch.Generator().manual_seed(augmentation_seed)
        drawn = augmentation.draw(generator, len(labels), flip).to(images.device)
    for index in chosen:
        x = images.index_select(0, index)
        yield (x if drawn is None else augmentation.standard(x, drawn[index])), labels.index_select(0, index)
