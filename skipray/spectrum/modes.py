"""Spectra of a tensor's modes, raw and centred, which share their Gram matrices, and the rank that each can have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skipray.spectrum import gram, sketch, triangle
from skipray.spectrum.unfolding import sides


@dataclass(frozen=True)
class ModeSpectrum:
    """Singular values of one unfolding."""

    mode: int
    centred: bool
    """Each feature's mean over axis 0 is removed."""
    values: np.ndarray
    """Descending, min(rows, columns) long, float64."""
    rank: int
    """The rank that it can have: min(rows, columns) without the all-zero ones, one row less when centred over rows."""
    zero_rows: int
    zero_columns: int


def mode_spectra(
    tensor: Tensor, modes: Sequence[int], *, raw: bool = True, centred: bool = False
) -> list[ModeSpectrum]:
    """Spectra of several unfoldings of one finite real tensor that is not empty."""
    out: list[ModeSpectrum] = []
    exponent = _exponent(tensor)
    occupied = tensor != 0
    varying = (tensor != tensor[:1]).any(0) if centred else None
    mean = tensor.mean(0, keepdim=True, dtype=torch.float64) if centred else None
    for mode in modes:
        rows, columns = sides(tensor, mode)
        matrix = None
        if sketch.gram_promises(tensor, mode, exponent=exponent):
            matrix = gram.gram(tensor, mode, exponent=exponent)
        largest = None
        if raw:
            full_rows = int(occupied.movedim(mode, 0).flatten(1).any(1).sum()) if tensor.ndim > 1 else rows
            full_columns = int(occupied.any(mode).sum())
            rank = min(full_rows, full_columns)
            values = None if matrix is None else gram.values(matrix, rank)
            if values is None:
                values = _cut(triangle.values(tensor, mode, exponent=exponent), rank)
            values = np.ldexp(values, exponent)
            out.append(ModeSpectrum(mode, False, values, rank, rows - full_rows, columns - full_columns))
        if centred:
            assert mean is not None and varying is not None
            full_rows, full_columns, rank = _centred_rank(varying, mode, len(tensor))
            values = None
            if matrix is not None and rows <= columns:
                largest = float(matrix.diagonal().sum()) if len(matrix) else 0.0
                values = gram.values(_centred_gram(matrix, mean, mode, len(tensor), exponent), rank, largest)
            elif matrix is not None and mode == 0:
                largest = float(matrix.diagonal().sum())
                flat = torch.ldexp(mean.reshape(-1), torch.tensor(-exponent))
                values = gram.values(matrix - len(tensor) * torch.outer(flat, flat), rank, largest)
            if values is None:
                values = _cut(triangle.values(tensor.to(torch.float64) - mean, mode, exponent=exponent), rank)
            values = np.ldexp(values, exponent)
            out.append(ModeSpectrum(mode, True, values, rank, rows - full_rows, columns - full_columns))
    return out


def _exponent(tensor: Tensor) -> int:
    if tensor.dtype != torch.float64:
        return 0
    peak = float(tensor.abs().max())
    return 0 if peak == 0 or 1e-60 < peak < 1e60 else int(np.frexp(peak)[1])


def _centred_gram(matrix: Tensor, mean: Tensor, mode: int, samples: int, exponent: int) -> Tensor:
    if mode == 0:
        side = matrix.mean(0)
        return matrix - side[:, None] - side[None, :] + side.mean()
    rows = torch.ldexp(mean.movedim(mode, 0).reshape(len(matrix), -1), torch.tensor(-exponent))
    return matrix - samples * (rows @ rows.T)


def _centred_rank(varying: Tensor, mode: int, samples: int) -> tuple[int, int, int]:
    """Non-zero rows and columns, and the rank that the centred unfolding can have."""
    if mode == 0:
        rows, columns = samples, int(varying.sum())
        return (rows if columns else 0), columns, min(samples - 1, columns)
    rows = int(varying.movedim(mode - 1, 0).flatten(1).any(1).sum()) if varying.ndim > 1 else int(varying.sum())
    places = int(varying.any(mode - 1).sum())
    return rows, samples * places, min(rows, (samples - 1) * places)


def _cut(values: np.ndarray, rank: int) -> np.ndarray:
    # What lies beyond the rank that the zeros leave is rounding.
    values[rank:] = 0.0
    return values
