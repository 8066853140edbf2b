"""Singular values by QR: the long side is folded into a triangle piece by piece, whose SVD has full relative accuracy."""

import numpy as np
import torch
from torch import Tensor

from skipray.spectrum.unfolding import pieces, sides


def values(tensor: Tensor, mode: int, *, exponent: int = 0) -> np.ndarray:
    """Singular values of the unfolding, each within a few eps64 s_1 (streaming TSQR, Demmel et al. 2012, section 3.2)."""
    rows, columns = sides(tensor, mode)
    if max(rows, columns) < 1.3 * min(rows, columns):
        whole = torch.cat(list(pieces(tensor, mode, exponent=exponent)))
        return _svd(whole)
    triangle: Tensor | None = None
    for piece in pieces(tensor, mode, exponent=exponent):
        stacked = piece if triangle is None else torch.cat([triangle, piece])
        triangle = torch.linalg.qr(stacked, mode="r").R
    assert triangle is not None
    return _svd(triangle)


def _svd(matrix: Tensor) -> np.ndarray:
    out: np.ndarray = torch.linalg.svdvals(matrix).cpu().numpy()
    return out
