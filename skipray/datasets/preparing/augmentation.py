"""The standard augmentation of small images on whole batches: pad 4, random crop, horizontal flip (He et al. 2015).

What happens to a sample depends on the trial's seed, the epoch and the sample's index alone: no state to save.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PAD = 4


def draw(generator: "torch.Generator", samples: int, flip: bool) -> "torch.Tensor":
    """(samples, 3) int64: vertical and horizontal offset in 0..8 of the crop, and 1 where the image is flipped."""
    import torch

    offsets = torch.randint(0, 2 * PAD + 1, (samples, 2), generator=generator)
    flips = torch.randint(0, 2 if flip else 1, (samples, 1), generator=generator)
    return torch.cat([offsets, flips], 1)


def standard(images: "torch.Tensor", drawn: "torch.Tensor") -> "torch.Tensor":
    """Crop and flip a batch.

    Args:
        images: (samples, channels, height, width), raw; the padding is 0, as in the original pipelines.
        drawn: (samples, 3) from `draw`, on the same device.

    Returns:
        A new tensor of the same shape and type.
    """
    import torch
    from torch.nn.functional import pad

    height, width = images.shape[2:]
    padded = pad(images, (PAD, PAD, PAD, PAD))
    rows = drawn[:, :1] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device).expand(len(images), width)
    columns = drawn[:, 1:2] + torch.where(drawn[:, 2:] == 1, columns.flip(1), columns)
    index = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
    flat = padded.flatten(2)
    return flat.gather(2, index.flatten(1)[:, None, :].expand(-1, images.shape[1], -1)).view_as(images)
