"""A cheap look at a large unfolding, to choose the path: a Gram matrix that does not suffice would be wasted.

The long side is folded onto a few times the short side with random signs (a CountSketch: Clarkson and Woodruff 2013),
which keeps singular values within a small factor. The look decides about time only: the Gram matrix that it promises
is tested itself.
"""

import torch
from torch import Tensor

from skipray.spectrum import gram
from skipray.spectrum.unfolding import CHUNK_ELEMENTS, sides

WORTH_A_LOOK = 2**20
"""Smallest number of entries: below, the Gram matrix itself costs little more than the look."""
OVERSAMPLING = 2
"""Buckets for each entry of the short side: the look's own Gram matrix must stay much cheaper than the real one."""
MOST_FOLDS = 100
"""More buckets than that where the short side is tiny, or it would be folded in very many steps."""
FEWEST_FOLDS = 8
"""Below, the look would cost too large a part of what it may save."""
SLACK = 9.0
"""A folded spectrum is a little better conditioned than the true one, or worse; in between the Gram matrix is tried.
Squared condition numbers: a factor of 3."""


def gram_promises(tensor: Tensor, mode: int, *, exponent: int = 0, mean: Tensor | None = None) -> bool:
    """Whether the Gram matrix of an unfolding, its entries multiplied by 2**-exponent, probably suffices.

    Args:
        mean: (1, d_1, ..., d_p), subtracted from every sample before that.
    """
    rows, columns = sides(tensor, mode)
    short, long = min(rows, columns), max(rows, columns)
    buckets = max(OVERSAMPLING * short, long // MOST_FOLDS)
    if tensor.numel() < WORTH_A_LOOK or long < FEWEST_FOLDS * buckets:
        return True
    folded = _folded(tensor, mode, buckets, mean)
    return gram.suffices(gram.gram(folded, 1, exponent=exponent), slack=SLACK)


def _folded(tensor: Tensor, mode: int, buckets: int, mean: Tensor | None) -> Tensor:
    """(buckets, short side)."""
    rows, columns = sides(tensor, mode)
    # Sums of many halves would overflow.
    dtype = tensor.dtype if tensor.dtype == torch.float64 else torch.float32
    folds = -(-max(rows, columns) // buckets)
    signs = torch.randint(0, 2, (folds, buckets), generator=torch.Generator().manual_seed(buckets))
    signs = (2 * signs - 1).to(tensor.device, dtype)
    moved = tensor.movedim(mode, 0)
    level = None if mean is None else mean.to(dtype).movedim(mode, 0)

    def unfolded(start: int, stop: int) -> Tensor:
        part = moved[start:stop].to(dtype)
        if level is not None:
            part = part - (level if mode == 0 else level[start:stop])
        return part.reshape(-1, columns)

    if rows > columns:
        out = torch.zeros(buckets, columns, dtype=dtype, device=tensor.device)
        for i in range(folds):
            piece = unfolded(i * buckets, (i + 1) * buckets)
            out[: len(piece)].addcmul_(piece, signs[i, : len(piece), None])
        return out
    out = torch.zeros(rows, buckets, dtype=dtype, device=tensor.device)
    # Some rows at a time where the unfolding is a copy.
    copied = level is not None or tensor.dtype != dtype or not moved.is_contiguous()
    step = max(CHUNK_ELEMENTS.get(tensor.device.type, 2**22) // columns, 1) if copied else rows
    for start in range(0, rows, step):
        wide = unfolded(start, start + step)
        for i in range(folds):
            piece = wide[:, i * buckets : (i + 1) * buckets]
            out[start : start + step, : piece.shape[1]].addcmul_(piece, signs[i, : piece.shape[1]])
    return out.T
