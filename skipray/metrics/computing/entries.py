"""A tensor's entries, and what is already known of them. Axis 0 is the samples; the units are the last axis of rows and
of tokens (samples, tokens, features), and axis 1, the channels, of all else.

Sums are taken in float64.
"""

from __future__ import annotations

import copy
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

CHUNK_ENTRIES = 2**20
"""So many are held in float64 at once."""


class Entries:
    """What metrics read of one tensor. Each property is computed once, from whatever is known already.

    Args:
        tensor: on any device; detached.
        extremes: smallest and largest value of each feature, (d_1, ..., d_p), where they are known.
        gram: (samples, samples), inner products of the samples divided by 2^exponent.
        rows: the matrix in float64, and the squared length of each of its rows.
        finite: whether no entry is NaN or infinite, where that is known.
        real: (samples, tokens), which tokens of a tensor of tokens are no padding; all of them when left out.
        channels_first: whether three axes are (samples, channels, positions) and no tokens.
    """

    def __init__(
        self,
        tensor: Tensor,
        *,
        extremes: tuple[Any, Any] | None = None,
        gram: Tensor | None = None,
        exponent: int = 0,
        rows: tuple[np.ndarray, np.ndarray] | None = None,
        finite: bool | None = None,
        real: Tensor | None = None,
        channels_first: bool = False,
    ):
        self.tensor, self._real = tensor, real
        self._axis = 2 if tensor.ndim == 3 and not channels_first else 1
        self._extremes, self._gram, self._exponent, self._rows = extremes, gram, exponent, rows
        self._finite = finite

    @cached_property
    def real(self) -> Tensor:
        """(samples, tokens) booleans: which tokens are no padding, of a tensor whose axis 1 is the tokens, or, of
        attention, whose last two axes are."""
        import torch

        x = self.tensor
        if self._real is not None:
            return self._real
        return torch.ones((len(x), x.shape[1] if x.ndim == 3 else x.shape[-1]), dtype=torch.bool, device=x.device)

    def copied(self) -> Entries:
        """The same of a tensor of its own."""
        copied = copy.copy(self)
        copied.__dict__ |= {n: copy.deepcopy(v) for n, v in vars(self).items() if n != "tensor"}
        copied.tensor = self.tensor.detach().clone()
        return copied

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.tensor.numel()

    @cached_property
    def low(self) -> float:
        return float((self.tensor if self._extremes is None else self._extremes[0]).min())

    @cached_property
    def high(self) -> float:
        return float((self.tensor if self._extremes is None else self._extremes[1]).max())

    @cached_property
    def root_mean_square(self) -> float:
        if self._rows is not None:
            return float(np.sqrt(self._rows[1].mean() / self.tensor.shape[1]))
        if self._gram is not None:
            return math.ldexp(math.sqrt(float(self._gram.trace()) / self.size), self._exponent)
        return self._summed_norm() / math.sqrt(self.size)

    @cached_property
    def norm(self) -> float:
        """Root of the sum of squares."""
        return self.root_mean_square * math.sqrt(self.size)

    def _summed_norm(self) -> float:
        import torch

        x = self.tensor
        peak = float(x.abs().max())
        if x.dtype == torch.float64 and peak and not 1e-100 < peak < 1e100:
            return peak * float(torch.linalg.vector_norm(x / peak))
        return float(torch.linalg.vector_norm(x, dtype=torch.float64))

    @cached_property
    def nonfinite(self) -> int:
        """How many entries are NaN or infinite."""
        return 0 if self._finite else int((~self.tensor.isfinite()).sum())

    @property
    def units(self) -> int:
        """How many features, or channels of a map, there are.

        Raises:
            ValueError: the tensor has no axis of units, or no entries.
        """
        if self.tensor.ndim < 2 or not self.size:
            found = tuple(self.tensor.shape)
            raise ValueError(f"found shape {found}; allowed: samples and units, at least one of each")
        return self.tensor.shape[self._axis]

    @cached_property
    def dead_units(self) -> int:
        """How many units are 0 for every sample, at every position, padding left out."""
        units, x = self.units, self.tensor
        if self._real is not None and self._axis == 2:
            return int((x[self._real] == 0).all(0).sum())
        if self._extremes is None:
            return int((x == 0).movedim(self._axis, 0).flatten(1).all(1).sum())
        low, high = self._extremes
        zero = (low == 0) & (high == 0)
        return int((zero.T if self._axis == 2 else zero).reshape(units, -1).all(1).sum())

    @cached_property
    def unit_sum(self) -> tuple[float, int]:
        """Squared length of the sum of the samples divided by their lengths, and how many are not all zero."""
        if self._gram is not None:
            kept = self._gram.diagonal() > 0
            weights = self._gram.diagonal()[kept].rsqrt()
            return float(weights @ (self._gram[kept][:, kept] @ weights)), len(weights)
        if self._rows is not None:
            matrix, squares = self._rows
            full = squares > 0
            total = (1 / np.sqrt(squares[full])) @ (matrix if full.all() else matrix[full])
            return float(total @ total), int(full.sum())
        return self._unit_sum_in_chunks()

    def _unit_sum_in_chunks(self) -> tuple[float, int]:
        import torch

        x = self.tensor.reshape(len(self.tensor), -1)
        total, count = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device), 0
        for part in x.split(max(1, CHUNK_ENTRIES // max(1, x.shape[1]))):
            wide = part.to(torch.float64)
            peak = wide.abs().amax(1, keepdim=True)
            wide = (wide / peak)[peak[:, 0] > 0]
            total += (wide / torch.linalg.vector_norm(wide, dim=1, keepdim=True)).sum(0)
            count += len(wide)
        return float(total @ total), count


def entries_of(values: Tensor | Any) -> Entries:
    """Of a tensor or an array at hand."""
    import torch

    x = torch.as_tensor(values).detach()
    return Entries(x if x.is_floating_point() else x.to(torch.float64))
