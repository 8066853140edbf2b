"""A cheap look at a large unfolding, to choose the path: a Gram matrix that does not suffice would be wasted.

The long side is folded onto a few times the short side with random signs (a CountSketch: Clarkson and Woodruff 2013),
which keeps singular values within a small factor. The look decides about time only: the Gram matrix that it promises
is tested itself.
"""

import torch
from torch import Tensor

from skipray.spectrum import gram
from skipray.spectrum.unfolding import pieces, sides

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
    folded = _folded(tensor, mode, buckets, exponent, mean)
    return gram.suffices(gram.gram(folded, 1), slack=SLACK)


def _folded(tensor: Tensor, mode: int, buckets: int, exponent: int, mean: Tensor | None) -> Tensor:
    """(buckets, short side)."""
    rows, columns = sides(tensor, mode)
    # Sums of many halves would overflow.
    dtype = torch.float64 if tensor.dtype == torch.float64 else torch.float32
    out = torch.zeros(min(rows, columns), buckets, dtype=dtype, device=tensor.device).T
    generator = torch.Generator().manual_seed(buckets)
    for piece in pieces(tensor, mode, exponent=exponent, mean=mean, dtype=dtype):
        if piece.stride(1) == 1 and out.stride(1) != 1:  # laid out as the pieces are, for speed
            out = out.contiguous()
        for part in piece.split(buckets):
            signs = 2 * torch.randint(0, 2, (len(part), 1), generator=generator) - 1
            out[: len(part)].addcmul_(part, signs.to(tensor.device, dtype))
    return out
