"""Many spectra side by side, so that a statistic of all of them is a few calls of numpy."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Spectra:
    """Spectra of m tensors, padded with zeros to the longest; axes m spectra, k values.

    Args:
        spectra: m descending arrays of any lengths.
        ranks: the structural rank of each: what it can have at most.
        eps: of each matrix's own number format: its rounding hides everything below the floor `eps * s_1`, whatever
            the spectrum was computed in.
        sides: (rows, columns) of each matrix, where they are known.
    """

    def __init__(
        self,
        spectra: Sequence[np.ndarray],
        ranks: Sequence[int],
        eps: Sequence[float],
        sides: Sequence[tuple[int, int]] | None = None,
    ):
        self.values = np.zeros((len(spectra), max((len(s) for s in spectra), default=1)))
        for row, values in zip(self.values, spectra, strict=True):
            row[: len(values)] = values
        self.rank, self.eps = np.asarray(ranks, dtype=int), np.asarray(eps, dtype=float)
        self.lengths = np.array([len(s) for s in spectra], dtype=int)
        self._sides = sides

    def __len__(self) -> int:
        return len(self.values)

    def only(self, chosen: Sequence[int]) -> "Spectra":
        """Some of them."""
        sides = None if self._sides is None else [self._sides[i] for i in chosen]
        kept = [self.values[i, : self.lengths[i]] for i in chosen]
        return Spectra(kept, self.rank[list(chosen)].tolist(), self.eps[list(chosen)].tolist(), sides)

    @property
    def sides(self) -> Sequence[tuple[int, int]]:
        """(rows, columns) of each matrix.

        Raises:
            ValueError: they are not known.
        """
        if self._sides is None:
            raise ValueError("found no `shape`; this statistic needs the matrix's rows and columns")
        return self._sides

    @cached_property
    def top(self) -> Array:
        """(m,) s_1."""
        return self.values[:, 0]

    @cached_property
    def empty(self) -> NDArray[np.bool_]:
        """(m,) Which have nothing to measure: all zero, or without a rank."""
        empty: NDArray[np.bool_] = (self.top == 0) | (self.rank < 1)
        return empty

    @cached_property
    def safe_top(self) -> Array:
        """(m,) s_1, and 1 for the empty ones."""
        return np.where(self.empty, 1.0, self.top)

    @cached_property
    def share(self) -> Array:
        """(m, k) s / s_1."""
        share: Array = self.values / self.safe_top[:, None]
        return share

    @cached_property
    def above(self) -> NDArray[np.bool_]:
        """(m, k) Which values lie above the precision floor."""
        above: NDArray[np.bool_] = self.share > self.eps[:, None]
        return above

    @cached_property
    def energy(self) -> Array:
        """(m, k) (s / s_1)^2."""
        return self.share**2

    @cached_property
    def energy_sum(self) -> Array:
        """(m,) Sum of the energies, 1 for the empty ones."""
        return positive(self.energy.sum(1))

    @cached_property
    def hidden(self) -> NDArray[np.bool_]:
        """(m,) Whether s_k, k the structural rank, is at the floor or below."""
        hidden: NDArray[np.bool_] = self._last <= self.eps
        return hidden

    @cached_property
    def smallest(self) -> Array:
        """(m,) s_k / s_1, k the structural rank; the floor where it is hidden."""
        return np.where(self.hidden, self.eps, self._last)

    @cached_property
    def _last(self) -> Array:
        last: Array = self.share[np.arange(len(self)), np.clip(self.rank, 1, self.values.shape[1]) - 1]
        return last

    def present(self, values: Array) -> Array:
        """Values, NaN for the empty ones."""
        return np.where(self.empty, np.nan, values)


def entropy_rank(weights: Array) -> Array:
    """(m,) exp of the entropy of each row's shares of its sum; axes (m, k)."""
    p = weights / positive(weights.sum(1))[:, None]
    entropy: Array = -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=1)
    return np.exp(entropy)


def positive(values: Array) -> Array:
    """Values, 1 in place of those that are not positive: a divisor."""
    return np.where(values > 0, values, 1.0)
