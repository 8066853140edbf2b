"""Spectra of a tensor's modes, raw and centred, which share their Gram matrices, and the rank that each can have.

Axes: n samples (axis 0), f features (all others). Centred: each feature's mean over the samples is removed. A mean that
is common to all samples makes raw spectra of rectified maps ill conditioned, so where the short side is not the samples
the centred Gram matrix is made first and the mean added back: adding loses no digits, subtracting does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from skipray.spectrum import gram, sketch, triangle
from skipray.spectrum.unfolding import CHUNK_ELEMENTS, scaled, sides


@dataclass(frozen=True)
class ModeSpectrum:
    """Singular values of one unfolding."""

    mode: int
    centred: bool
    values: np.ndarray
    """Descending, min(rows, columns) long, float64."""
    rank: int
    """The rank that it can have: min(rows, columns) without the all-zero ones, one sample less when centred."""
    zero_rows: int
    zero_columns: int | None
    """None where counting was not needed: the columns of a map's further unfoldings are single places of samples."""


class TensorSpectra:
    """Spectra of several unfoldings of one finite real tensor with at least two axes and one entry.

    Args:
        low, high: smallest and largest value of each feature, (d_1, ..., d_p).
        centred: whether centred spectra will be asked for too.
    """

    def __init__(self, tensor: Tensor, low: Tensor, high: Tensor, *, centred: bool):
        self.tensor, self.centred = tensor, centred
        self.samples = len(tensor)
        self.occupied = (low != 0) | (high != 0)
        self.varying = low != high
        peak = max(-float(low.min()), float(high.max()))
        self.exponent = scale_exponent(peak)
        self.zero = peak == 0
        self.sample_gram: Tensor | None = None
        """(n, n), of the scaled entries, where it was made: norms and cosines of the samples can be read from it."""

    @cached_property
    def mean(self) -> Tensor:
        """(1, d_1, ..., d_p)."""
        # Piece by piece, because on a CPU torch would convert the whole tensor to float64 first.
        step = max(CHUNK_ELEMENTS.get(self.tensor.device.type, 2**22) * self.samples // self.tensor.numel(), 1)
        total = torch.zeros(self.tensor.shape[1:], dtype=torch.float64, device=self.tensor.device)
        for part in self.tensor.split(step):
            total += part.sum(0, dtype=torch.float64)
        return (total / self.samples)[None]

    def spectra(self, modes: Sequence[int], *, raw: bool = True) -> list[ModeSpectrum]:
        out: list[ModeSpectrum] = []
        for mode in modes:
            found = self._zeros(mode) if self.zero else self._of_mode(mode)
            out += [self._finished(mode, c, values) for c, values in enumerate(found) if (raw if c == 0 else True)]
        return out

    def _zeros(self, mode: int) -> list[np.ndarray]:
        return [np.zeros(min(sides(self.tensor, mode)))] * (1 + self.centred)

    def _of_mode(self, mode: int) -> list[np.ndarray]:
        """Raw, and centred where wanted."""
        rows, columns = sides(self.tensor, mode)
        if not self.centred:
            return [self._raw_only(self.tensor, mode)]
        if mode == 0 and rows <= columns:
            return self._short_samples()
        if mode == 0 or rows <= columns:
            return self._short_features(mode)
        centred = self.tensor.to(torch.float64) - self.mean
        return [self._raw_only(self.tensor, mode), self._raw_only(centred, mode)]

    def _raw_only(self, tensor: Tensor, mode: int) -> np.ndarray:
        if sketch.gram_promises(tensor, mode, exponent=self.exponent):
            matrix = gram.gram(tensor, mode, exponent=self.exponent)
            if mode == 0 and len(matrix) == self.samples <= self.occupied.numel():
                self.sample_gram = matrix
            if gram.suffices(matrix):
                return gram.values(matrix, gram.nonzero(matrix))
        return triangle.values(triangle.triangle(tensor, mode, exponent=self.exponent))

    def _short_samples(self) -> list[np.ndarray]:
        """n <= f: centring is a projection of the short side, J = 1 - 11'/n from both sides of the Gram matrix."""
        if sketch.gram_promises(self.tensor, 0, exponent=self.exponent):
            matrix = self.sample_gram = gram.gram(self.tensor, 0, exponent=self.exponent)
            side = matrix.mean(0)
            inner = matrix - side[:, None] - side[None, :] + side.mean()
            null = torch.full((self.samples,), self.samples**-0.5, dtype=torch.float64)
            if gram.suffices(matrix) and gram.suffices(inner, null=null, scale=float(torch.linalg.matrix_norm(matrix))):
                rank = min(self.samples - 1, int(self.varying.sum()))
                return [gram.values(matrix, gram.nonzero(matrix)), gram.values(inner, rank)]
        whole = triangle.triangle(self.tensor, 0, exponent=self.exponent)
        return [triangle.values(whole), triangle.values(whole - whole.mean(1, keepdim=True))]

    def _short_features(self, mode: int) -> list[np.ndarray]:
        """The short side are features: raw' raw = centred' centred + n mean' mean."""
        level = scaled(self.mean, self.exponent).cpu()
        flat = level.reshape(1, -1) if mode == 0 else level.movedim(mode, 0).reshape(self.tensor.shape[mode], -1).T
        flat = flat * self.samples**0.5
        factor = None
        if sketch.gram_promises(self.tensor, mode, exponent=self.exponent, mean=self.mean):
            inner = gram.gram(self.tensor, mode, exponent=self.exponent, mean=self.mean)
            varying = self._varying(mode).cpu()
            # A constant feature leaves rounding here instead of zeros.
            inner = torch.where(varying[:, None] & varying[None, :], inner, 0.0)
            if gram.suffices(inner):
                centred = gram.values(inner, int(varying.sum()))
                matrix = inner + gram.symmetric_product(flat)
                if gram.suffices(matrix):
                    return [gram.values(matrix, gram.nonzero(matrix)), centred]
                factor = _factor(inner)
                return [triangle.values(_stacked(factor, flat)), centred]
        factor = triangle.triangle(self.tensor, mode, exponent=self.exponent, mean=self.mean)
        return [triangle.values(_stacked(factor, flat)), triangle.values(factor)]

    def _varying(self, mode: int) -> Tensor:
        """Which entries of the short side are not constant over the samples."""
        if mode == 0:
            return self.varying.reshape(-1)
        return self.varying.movedim(mode - 1, 0).reshape(self.tensor.shape[mode], -1).any(1)

    def _finished(self, mode: int, centred: int, values: np.ndarray) -> ModeSpectrum:
        rows, columns = sides(self.tensor, mode)
        features = self.varying if centred else self.occupied
        full_columns: int | None = None
        if mode == 0:
            full_columns = int(features.sum())
            full_rows = self._full_samples() if not centred else (rows if full_columns else 0)
            rank = min(full_rows - centred, full_columns)
        else:
            kept = features.movedim(mode - 1, 0).reshape(rows, -1).any(1)
            full_rows = int(kept.sum())
            # Few columns can be full at most where there are few, or where the spectrum has come to its end already.
            rank = min(full_rows, self._column_bound(mode, centred, values, full_rows))
        rank = max(rank, 0)
        values[rank:] = 0.0  # what lies beyond the structural rank is rounding
        zero_columns = None if full_columns is None else columns - full_columns
        return ModeSpectrum(mode, bool(centred), np.ldexp(values, self.exponent), rank, rows - full_rows, zero_columns)

    def _full_samples(self) -> int:
        if self.sample_gram is not None:
            return gram.nonzero(self.sample_gram)
        return int((self.tensor.reshape(self.samples, -1) != 0).any(1).sum())

    def _column_bound(self, mode: int, centred: int, values: np.ndarray, rows: int) -> int:
        if rows and rows <= len(values) and values[rows - 1] > 1e-5 * values[0]:
            return rows
        if centred:
            return (self.samples - 1) * int(self.varying.any(mode - 1).sum())
        return int((self.tensor != 0).any(mode).sum())


def scale_exponent(peak: float) -> int:
    """Power of two to divide by, so that squares neither overflow nor vanish: 0 for all that float32 can hold."""
    return 0 if peak == 0 or 1e-60 < peak < 1e60 else int(np.frexp(peak)[1])


def _factor(matrix: Tensor) -> Tensor:
    """Upper triangle with factor' factor = matrix; zero rows and columns stay zero."""
    kept = matrix.diagonal() != 0
    out = torch.zeros_like(matrix)
    inner = torch.linalg.cholesky(matrix[kept][:, kept], upper=True)
    out[torch.outer(kept, kept)] = inner.reshape(-1)
    return out


def _stacked(factor: Tensor, flat: Tensor) -> Tensor:
    stacked = torch.cat([factor, flat])
    return triangle.fold(stacked) if len(stacked) > 2 * stacked.shape[1] else stacked
