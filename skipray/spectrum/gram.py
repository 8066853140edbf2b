"""Singular values from the Gram matrix of the shorter side: cheap, and good while the condition number stays small."""

import numpy as np
import torch
from torch import Tensor

from skipray.spectrum.unfolding import pieces, sides

SUFFICES = 1e-9
"""A Gram matrix loses half of the digits: an eigenvalue l has an absolute error of a few eps64 l_1, its square root a
relative one of about 2 eps64 l_1 / l. Down to l = 1e-9 l_1, a condition number of 3e4, that is below 5e-7."""


def gram(tensor: Tensor, mode: int, *, exponent: int = 0) -> Tensor:
    """Sum of outer products over the unfolding's longer side, float64, (k, k) with k the shorter side.

    On a CPU by numpy, whose product of a matrix with its own transpose is a symmetric rank-k update: half the work of
    the general product that torch would do.
    """
    k = min(sides(tensor, mode))
    total: Tensor | None = None
    for piece in pieces(tensor, mode, exponent=exponent):
        product = symmetric_product(piece)
        total = product if total is None else total.add_(product)
    assert total is not None and total.shape == (k, k)
    return total


def symmetric_product(tall: Tensor) -> Tensor:
    """tall.T @ tall."""
    if tall.device.type != "cpu":
        return tall.T @ tall
    array = tall.numpy()
    return torch.from_numpy(array.T @ array)


def values(matrix: Tensor, rank: int, largest: float | None = None) -> np.ndarray | None:
    """Singular values from a Gram matrix, or None where it does not suffice.

    Args:
        matrix: (k, k), symmetric.
        rank: what the rank can be at most (zero rows, a removed mean); values beyond it are exactly zero.
        largest: largest eigenvalue of what `matrix` was computed from by subtraction, which set its rounding error.
    """
    eigenvalues = np.linalg.eigvalsh(matrix.cpu().numpy())[::-1]
    if rank and not eigenvalues[rank - 1] > SUFFICES * max(eigenvalues[0], largest or 0.0):
        return None
    out = np.zeros(len(eigenvalues))
    out[:rank] = np.sqrt(eigenvalues[:rank])
    return out


def nonzero(matrix: Tensor) -> int:
    """Rows of the shorter side that are not all zero: a zero on the diagonal is a sum of squares that are all zero."""
    return int(torch.count_nonzero(matrix.diagonal()))
