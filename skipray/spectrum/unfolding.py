"""Unfoldings of a tensor, read in float64 pieces so that no full float64 copy has to exist.

The mode-m unfolding of a tensor (d_0, ..., d_p) has d_m rows and prod(d) / d_m columns (De Lathauwer et al. 2000,
equation 1; the order of the columns does not change its singular values).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK_ELEMENTS = {"cpu": 2**18, "cuda": 2**25}
"""Entries of one float64 piece: 2 MiB stays in a core's cache; a GPU wants long products."""
TALL = 4
"""A piece is at least so many times longer than wide, or the work on the short side would dominate."""


def sides(tensor: Tensor, mode: int) -> tuple[int, int]:
    """(rows, columns) of the unfolding."""
    rows = tensor.shape[mode]
    return rows, tensor.numel() // rows


def pieces(
    tensor: Tensor,
    mode: int,
    *,
    exponent: int = 0,
    mean: Tensor | None = None,
    size: int = 1,
    dtype: torch.dtype = torch.float64,
) -> Iterator[Tensor]:
    """The unfolding in float64, cut along its longer side; every piece is (some of the longer side, shorter side).

    Args:
        exponent: entries are multiplied by 2**-exponent, which does not round.
        mean: float64, (1, d_1, ..., d_p), subtracted from every sample before that.
        size: pieces are so many times larger than usual.
        dtype: of the pieces, where float64 is not needed.
    """
    rows, columns = sides(tensor, mode)
    chunk = size * CHUNK_ELEMENTS.get(tensor.device.type, 2**22)
    axis = mode if rows > columns else _outermost_other(tensor, mode, chunk)
    entries = tensor.shape[axis]
    step = max(chunk * entries // tensor.numel(), 1)
    step = max(step, -(-size * TALL * min(rows, columns) * entries // max(rows, columns)))
    for start in range(0, entries, step):
        length = min(step, entries - start)
        part = tensor.narrow(axis, start, length)
        level = mean if mean is None or axis == 0 else mean.narrow(axis, start, length)
        yield _as_tall(part, mode, level, dtype, tall=rows > columns, exponent=exponent)


def scaled(tensor: Tensor, exponent: int) -> Tensor:
    """tensor * 2**-exponent without rounding, also where 2**-exponent itself would overflow."""
    if not exponent:
        return tensor
    half = exponent // 2
    return tensor * 2.0**-half * 2.0 ** -(exponent - half)


def _outermost_other(tensor: Tensor, mode: int, chunk: int) -> int:
    """The axis to cut along: a long one, so that a piece is no larger than a chunk, and far apart in memory."""
    others = [axis for axis in range(tensor.ndim) if axis != mode]
    fine = [axis for axis in others if tensor.numel() // tensor.shape[axis] <= chunk]
    if fine:
        return max(fine, key=tensor.stride)
    return max(others, key=lambda axis: tensor.shape[axis], default=mode)


def _as_tall(part: Tensor, mode: int, mean: Tensor | None, dtype: torch.dtype, *, tall: bool, exponent: int) -> Tensor:
    # The copy that converts to float64 is also the one that reorders, and the last mode needs no reordering at all.
    last = mode == part.ndim - 1
    moved = part if last else part.movedim(mode, 0)
    wide = moved.to(dtype, memory_format=torch.contiguous_format)
    if mean is not None:
        wide = wide - (mean if last else mean.movedim(mode, 0)).to(dtype)
    size = part.shape[mode]
    matrix = scaled(wide, exponent)
    matrix = matrix.reshape(-1, size).T if last else matrix.reshape(size, -1)
    return matrix if tall else matrix.T
