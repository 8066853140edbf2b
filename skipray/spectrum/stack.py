"""Spectra of a stack of small equal-shaped matrices on the CPU, by numpy's batched calls.

A call for each would cost more than the arithmetic.

Axes: m matrices, n rows (samples), f columns (features). The method is that of `modes`.
"""

import numpy as np

from skipray.spectrum.gram import SUFFICES
from skipray.spectrum.modes import ModeSpectrum

MOST_ENTRIES = 2**17
"""Of one matrix: beyond, the arithmetic dominates and the pieces of `unfolding` are as good."""


def raw_spectra(stack: np.ndarray) -> list[ModeSpectrum]:
    """One spectrum a matrix.

    Args:
        stack: (m, n, f) float64, finite, squares neither overflow nor vanish.
    """
    rows, columns = (stack != 0).any(2).sum(1), (stack != 0).any(1).sum(1)
    rank = np.minimum(rows, columns)
    tall = stack if stack.shape[1] > stack.shape[2] else stack.transpose(0, 2, 1)
    values, good = _from_gram(tall.transpose(0, 2, 1) @ tall, rank)
    if not good.all():
        values[~good] = np.linalg.svd(_folded(tall[~good]), compute_uv=False)
    return [_spectrum(stack, i, False, values[i], rank[i], rows[i], columns[i]) for i in range(len(stack))]


def raw_and_centred_spectra(stack: np.ndarray, varying: np.ndarray) -> list[tuple[ModeSpectrum, ModeSpectrum]]:
    """Raw and centred spectrum of each matrix with more rows than columns.

    Args:
        stack: (m, n, f) float64, n > f, finite, squares neither overflow nor vanish.
        varying: (m, f), the columns that are not constant.
    """
    count, samples, _ = stack.shape
    mean = stack.mean(1, keepdims=True)
    # A constant column leaves rounding here instead of zeros.
    inner = np.where(varying[:, None, :], stack - mean, 0.0)
    level = mean * samples**0.5
    moving = varying.sum(1)
    product = inner.transpose(0, 2, 1) @ inner
    centred, good = _from_gram(product, moving)
    rows, columns = (stack != 0).any(2).sum(1), (stack != 0).any(1).sum(1)
    rank = np.minimum(rows, columns)
    raw, raw_good = _from_gram(product + level.transpose(0, 2, 1) @ level, rank)
    raw_good &= good
    for i in np.flatnonzero(~raw_good):
        if good[i]:
            factor = _factor(product[i], varying[i])
        else:
            factor = _folded(inner[i])
            centred[i] = np.linalg.svd(factor, compute_uv=False)
        raw[i] = np.linalg.svd(np.concatenate([factor, level[i]]), compute_uv=False)
    return [
        (
            _spectrum(stack, i, False, raw[i], rank[i], rows[i], columns[i]),
            _spectrum(stack, i, True, centred[i], min(samples - 1, moving[i]), samples * (moving[i] > 0), moving[i]),
        )
        for i in range(count)
    ]


def _from_gram(product: np.ndarray, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values, (m, k), and whether the Gram matrix sufficed for them."""
    eigenvalues = np.linalg.eigvalsh(product)[:, ::-1]
    last = eigenvalues[np.arange(len(rank)), np.maximum(rank, 1) - 1]
    good = (last > SUFFICES * eigenvalues[:, 0]) | (rank == 0)
    return np.sqrt(np.maximum(eigenvalues, 0.0)), good


def _folded(tall: np.ndarray) -> np.ndarray:
    if tall.shape[-2] < 1.3 * tall.shape[-1]:
        return tall
    triangle: np.ndarray = np.asarray(np.linalg.qr(tall, mode="r"))
    return triangle


def _factor(product: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """F with F' F = product; dropped columns stay zero."""
    out = np.zeros_like(product)
    out[np.ix_(kept, kept)] = np.linalg.cholesky(product[np.ix_(kept, kept)]).T
    return out


def _spectrum(
    stack: np.ndarray, i: int, centred: bool, values: np.ndarray, rank: int, rows: int, columns: int
) -> ModeSpectrum:
    _, all_rows, all_columns = stack.shape
    rank = int(rank)
    values = np.ascontiguousarray(values)
    values[rank:] = 0.0  # what lies beyond the structural rank is rounding
    return ModeSpectrum(0, centred, values, rank, int(all_rows - rows), int(all_columns - columns))
