"""Unfoldings of a tensor, read in float64 pieces so that no full float64 copy has to exist.

The mode-m unfolding of a tensor (d_0, ..., d_p) has d_m rows and prod(d) / d_m columns (De Lathauwer et al. 2000, eq. 1;
the order of the columns does not change its singular values).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK_ELEMENTS = {"cpu": 2**18, "cuda": 2**25}
"""Entries of one float64 piece: 2 MiB stays in a core's cache; a GPU wants long products."""


def sides(tensor: Tensor, mode: int) -> tuple[int, int]:
    """(rows, columns) of the unfolding."""
    rows = tensor.shape[mode]
    return rows, tensor.numel() // rows


def pieces(tensor: Tensor, mode: int, *, exponent: int = 0) -> Iterator[Tensor]:
    """The unfolding in float64, cut along its longer side: each piece is (rows, some) or (some, columns).

    Every piece has the unfolding's shorter side whole and comes as (some of the longer side, shorter side).

    Args:
        exponent: entries are multiplied by 2**-exponent, which does not round.
    """
    rows, columns = sides(tensor, mode)
    if rows <= columns:
        others = [d for d in range(tensor.ndim) if d != mode]
        axis = max(others, key=lambda d: (tensor.shape[d], -d)) if others else mode
    else:
        axis = mode
    step = max(1, CHUNK_ELEMENTS.get(tensor.device.type, 2**22) * tensor.shape[axis] // tensor.numel())
    step = max(step, min(tensor.shape[axis], -(-4 * min(rows, columns) * tensor.shape[axis] // max(rows, columns))))
    for start in range(0, tensor.shape[axis], step):
        part = tensor.narrow(axis, start, min(step, tensor.shape[axis] - start))
        yield _as_tall(part, mode, tall=rows > columns, exponent=exponent)


def _as_tall(part: Tensor, mode: int, *, tall: bool, exponent: int) -> Tensor:
    # The copy that converts to float64 is also the one that reorders, and the last mode needs no reordering at all.
    last = mode == part.ndim - 1
    moved = part if last else part.movedim(mode, 0)
    wide = moved.to(torch.float64, memory_format=torch.contiguous_format)
    if exponent:
        wide = torch.ldexp(wide, torch.tensor(-exponent, device=wide.device))
    size = part.shape[mode]
    matrix = wide.reshape(-1, size).T if last else wide.reshape(size, -1)
    return matrix if tall else matrix.T
