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
SLACK = 9.0
"""A folded spectrum is a little better conditioned than the true one, or worse; in between the Gram matrix is tried.
Squared condition numbers: a factor of 3."""


def gram_promises(tensor: Tensor, mode: int, *, exponent: int = 0) -> bool:
    """Whether the Gram matrix of the unfolding probably suffices."""
    rows, columns = sides(tensor, mode)
    short, long = min(rows, columns), max(rows, columns)
    buckets = OVERSAMPLING * short
    if tensor.numel() < WORTH_A_LOOK or long < 8 * buckets or short < 64:
        return True
    folded = _folded(tensor, mode, buckets)
    return gram.suffices(gram.gram(folded, 1, exponent=exponent), slack=SLACK)


def _folded(tensor: Tensor, mode: int, buckets: int) -> Tensor:
    """(buckets, short side)."""
    rows, columns = sides(tensor, mode)
    folds = max(rows, columns) // buckets
    signs = torch.randint(0, 2, (folds, buckets), generator=torch.Generator().manual_seed(buckets))
    signs = (2 * signs - 1).to(tensor.device, tensor.dtype)
    moved = tensor.movedim(mode, 0)
    if rows <= columns:
        out = torch.zeros(rows, buckets, dtype=tensor.dtype, device=tensor.device)
        # Some rows at a time: where the entries lie in another order, an unfolding is a copy.
        step = max(CHUNK_ELEMENTS.get(tensor.device.type, 2**22) // columns, 1)
        for start in range(0, rows, step):
            wide = moved[start : start + step].reshape(-1, columns)
            for i in range(folds):
                out[start : start + step].addcmul_(wide[:, i * buckets : (i + 1) * buckets], signs[i])
        return out.T
    wide = moved.reshape(rows, -1)
    out = torch.zeros(buckets, columns, dtype=wide.dtype, device=wide.device)
    for i in range(folds):
        out.addcmul_(wide[i * buckets : (i + 1) * buckets], signs[i][:, None])
    return out
