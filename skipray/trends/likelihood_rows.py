"""Many states of many series over the same depths, side by side: what is each one's own, and how its values are summed.

Axis letters: R states, N values, D depths, S seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from skipray.curves import Array
from skipray.trends.design import Design


@dataclass(frozen=True)
class Rows:
    """What of a likelihood is each state's own: states of many series over the same depths are evaluated at once."""

    y: Array
    """(R, N) a censored value is its bound."""
    signs: np.ndarray
    """(R, N) -1 below, 0, 1 above."""
    seed_spread: Array
    """(R,) standard deviation of the seed effects."""
    power: Array
    """(R,) the noise's variance goes with depth ** power."""
    freedom_spent: Array
    """(R,) degrees of freedom taken from the likelihood of the noise's spread."""
    relative: Array
    """(R, N) the noise's spread relative to that at the geometric mean depth."""
    units: Array
    """(R,) sum of the logarithms of the relative spreads of the values that are seen."""
    least_spread: Array
    """(R,) log of the smallest spread that is told from none."""

    def of(self, rows: np.ndarray) -> "Rows":
        return Rows(*(getattr(self, name)[rows] for name in _NAMES))

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES))


_NAMES = tuple(field.name for field in fields(Rows))


@dataclass(frozen=True)
class Sums:
    """Which of a series' values are summed. No sum depends on what other rows are summed with it, to the last bit."""

    depth_order: np.ndarray
    """An order in which values of one depth lie side by side."""
    depth_starts: np.ndarray
    """Where each depth begins in it."""
    seed_order: np.ndarray
    seed_starts: np.ndarray
    cells: tuple[tuple[np.ndarray, np.ndarray], ...]
    """Positions of values, and the depth x seed cells that they lie in; in each pair no cell twice."""
    shape: tuple[int, int]
    """Depths and seeds."""

    @classmethod
    def of(cls, design: Design) -> "Sums":
        depths, seeds = len(design.depths), max(design.seeds, 1)
        seed_index = design.seed_index if design.seeds else np.zeros(len(design.depth_index), dtype=int)
        cell = design.depth_index * seeds + seed_index
        order = np.argsort(cell, kind="stable")
        rank = np.empty(len(cell), dtype=int)
        rank[order] = np.arange(len(cell)) - np.searchsorted(cell[order], cell[order])
        places = [np.flatnonzero(rank == k) for k in range(rank.max() + 1)]
        return cls(
            *_runs(design.depth_index),
            *_runs(seed_index),
            tuple((at, cell[at]) for at in places),
            (depths, seeds),
        )

    def by_depth(self, values: Array) -> Array:
        """(R, D) of values (R, N)."""
        return np.add.reduceat(np.take(values, self.depth_order, axis=1), self.depth_starts, axis=1)

    def by_seed(self, values: Array) -> Array:
        """(R, S)."""
        return np.add.reduceat(np.take(values, self.seed_order, axis=1), self.seed_starts, axis=1)

    def by_cell(self, values: Array) -> Array:
        """(R, D, S)."""
        out = np.zeros((len(values), self.shape[0] * self.shape[1]))
        for at, cell in self.cells:
            out[:, cell] += values[:, at]
        return out.reshape(len(values), *self.shape)


def _runs(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An order in which equal ones lie side by side, and where each run begins; index has no gaps."""
    order = np.argsort(index, kind="stable")
    return order, np.searchsorted(index[order], np.arange(index.max() + 1))


def rows_of(
    design: Design, y: Array, signs: np.ndarray, seed_spread: Array, power: Array, freedom_spent: Array
) -> Rows:
    """Rows of the design: y and signs (R, N), the others (R,)."""
    log_depth = np.log(design.depths)
    away = (log_depth - log_depth.mean())[design.depth_index]
    relative = np.exp(0.5 * power[:, None] * away)
    units = np.sum(np.where(signs == 0, np.log(relative), 0.0), axis=1)
    least = np.log(1e-9 * np.maximum(np.abs(y).max(axis=1), 1e-290))
    return Rows(y, signs, seed_spread, power, freedom_spent, relative, units, least)
