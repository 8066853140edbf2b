"""A cheap look at a large unfolding, to choose the path: a Gram matrix that does not suffice would be wasted.

The long side is folded onto a few times the short side with random signs (a CountSketch: Clarkson and Woodruff 2013),
which keeps singular values within a small factor. The look decides about time only: what is returned is checked by
its own spectrum.
"""

import torch
from torch import Tensor

from skipray.spectrum import gram
from skipray.spectrum.unfolding import sides

WORTH_A_LOOK = 2**22
"""Smallest number of entries: below, the Gram matrix itself costs no more than the look."""
OVERSAMPLING = 4
MARGIN = 3.0
"""A folded spectrum is a little better conditioned or worse than the true one; between, the Gram matrix is tried."""


def gram_promises(tensor: Tensor, mode: int, *, exponent: int = 0) -> bool:
    """Whether the Gram matrix of the unfolding probably suffices."""
    rows, columns = sides(tensor, mode)
    short, long = min(rows, columns), max(rows, columns)
    if short == 1 or tensor.numel() < WORTH_A_LOOK or long < 4 * OVERSAMPLING * short:
        return long > 1.3 * short or short <= 512
    folded = _folded(tensor, mode, OVERSAMPLING * short)
    matrix = gram.gram(folded, 0 if rows <= columns else 1, exponent=exponent)
    diagonal = matrix.diagonal()
    diagonal[diagonal == 0] = diagonal.max()  # zero rows cost the Gram matrix nothing
    floor = gram.SUFFICES / MARGIN**2 * _largest(matrix)
    diagonal -= floor
    return int(torch.linalg.cholesky_ex(matrix).info) == 0


def _folded(tensor: Tensor, mode: int, buckets: int) -> Tensor:
    rows, columns = sides(tensor, mode)
    wide = tensor.movedim(mode, 0).reshape(rows, -1)
    axis = 1 if rows <= columns else 0
    long = wide.shape[axis]
    generator = torch.Generator().manual_seed(long)
    signs = torch.randint(0, 2, (long,), generator=generator).to(wide.device, wide.dtype) * 2 - 1
    whole = long // buckets * buckets
    shape = (rows, whole // buckets, buckets) if axis == 1 else (whole // buckets, buckets, columns)
    folds = wide.narrow(axis, 0, whole).reshape(shape)
    spread = signs[:whole].reshape(-1, buckets)
    spread = spread if axis == 1 else spread[..., None]
    return (folds * spread).sum(axis)


def _largest(matrix: Tensor) -> float:
    """A lower bound of the largest eigenvalue, close after a few power iterations."""
    vector = matrix.diagonal().clone()
    for _ in range(4):
        vector = matrix @ vector
        vector = vector / torch.linalg.vector_norm(vector)
    return max(float(vector @ (matrix @ vector)), float(matrix.diagonal().max()))
