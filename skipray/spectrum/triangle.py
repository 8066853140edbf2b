"""Singular values by QR: the long side is folded into a triangle piece by piece, and the triangle has the same ones."""

import numpy as np
import torch
from torch import Tensor

from skipray.spectrum.unfolding import pieces, sides

PIECES = 4
"""Pieces are so many times larger than a Gram matrix's: each is folded with the triangle so far, whose share of the
work must stay small."""
NEARLY_SQUARE = 1.3
"""Below this ratio of the sides the SVD of the matrix itself is no slower than QR first."""


def triangle(tensor: Tensor, mode: int, *, exponent: int = 0, mean: Tensor | None = None) -> Tensor:
    """R of the unfolding, its longer side upright: (k, k), or the matrix itself where it is nearly square. On the CPU.

    Streaming TSQR (Demmel et al. 2012, section 3.2): every singular value is within a few eps64 s_1.
    """
    rows, columns = sides(tensor, mode)
    parts = pieces(tensor, mode, exponent=exponent, mean=mean, size=PIECES)
    if max(rows, columns) < NEARLY_SQUARE * min(rows, columns):
        return torch.cat(list(parts)).cpu()
    folded: Tensor | None = None
    for part in parts:
        folded = fold(part if folded is None else torch.cat([folded, part]))
    assert folded is not None
    return folded.cpu()


def fold(tall: Tensor) -> Tensor:
    """R of a tall matrix."""
    out: Tensor = torch.linalg.qr(tall, mode="r").R
    return out


def values(matrix: Tensor, rank: int | None = None) -> np.ndarray:
    """Singular values of what `triangle` gave; what lies beyond the structural rank is rounding, and set to zero."""
    out: np.ndarray = torch.linalg.svdvals(matrix).numpy()
    if rank is not None:
        out[rank:] = 0.0
    return out
