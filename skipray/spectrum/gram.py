"""Singular values from the Gram matrix of the shorter side: cheap, and good while the condition number stays small."""

import numpy as np
import torch
from torch import Tensor

from skipray.spectrum.unfolding import pieces

SUFFICES = 1e-9
"""A Gram matrix loses half of the digits: an eigenvalue l has an absolute error of a few eps64 l_1, its square root a
relative one of about 2 eps64 l_1 / l. Down to l = 1e-9 l_1, a condition number of 3e4, that is below 5e-7."""


def gram(tensor: Tensor, mode: int, *, exponent: int = 0, mean: Tensor | None = None) -> Tensor:
    """Sum of outer products over the unfolding's longer side, float64, (k, k) with k the shorter side, on the CPU.

    Args:
        exponent: entries are multiplied by 2**-exponent.
        mean: float64, (1, d_1, ..., d_p), subtracted from every sample.
    """
    total: Tensor | None = None
    for piece in pieces(tensor, mode, exponent=exponent, mean=mean):
        product = symmetric_product(piece)
        total = product if total is None else total.add_(product)
    assert total is not None
    return total.cpu()


def symmetric_product(tall: Tensor) -> Tensor:
    """tall.T @ tall: on one CPU thread by numpy, whose symmetric rank-k update is half the work of torch's product.

    On several, numpy's threads would wait for those of torch, which keep spinning for a while: several times slower.
    """
    if tall.device.type != "cpu" or torch.get_num_threads() > 1:
        return tall.T @ tall
    array = tall.numpy()
    return torch.from_numpy(array.T @ array)


def suffices(matrix: Tensor, *, null: Tensor | None = None, scale: float | None = None, slack: float = 1.0) -> bool:
    """Whether all eigenvalues of a Gram matrix are large enough to be trusted, but those that are zero by structure.

    One Cholesky factorisation of the shifted matrix, a fifth of the eigenvalues' time or less. The Frobenius norm,
    never below the largest eigenvalue, stands for it.

    Args:
        matrix: (k, k). An all-zero row is a zero by structure.
        null: (k,), a unit vector that the matrix maps to zero by structure.
        scale: norm of what `matrix` was computed from by subtraction, which set its rounding error.
        slack: the demand is lowered by so much.
    """
    norm = max(scale or 0.0, float(torch.linalg.matrix_norm(matrix)))
    shifted = matrix.clone()
    diagonal = shifted.diagonal()
    diagonal[diagonal == 0] = norm
    diagonal -= SUFFICES / slack * norm
    if null is not None:
        shifted += norm * torch.outer(null, null)
    return int(torch.linalg.cholesky_ex(shifted).info) == 0


def values(matrix: Tensor, rank: int) -> np.ndarray:
    """Singular values from a Gram matrix that suffices; those beyond `rank` are zero by structure."""
    eigenvalues = np.linalg.eigvalsh(matrix.numpy())[::-1]
    out = np.zeros(len(eigenvalues))
    out[:rank] = np.sqrt(eigenvalues[:rank])
    return out


def nonzero(matrix: Tensor) -> int:
    """Rows of the shorter side that are not all zero: a zero on the diagonal is a sum of squares that are all zero."""
    return int(torch.count_nonzero(matrix.diagonal()))
