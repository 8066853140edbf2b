"""A curve as it is fitted to one series: its ranges there, and the parameters that are held fixed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import cast

import numpy as np

from skipray.curves import Array, Curve, Range
from skipray.extension import catalog


@lru_cache
def _entry(name: str) -> Curve:
    return cast(Curve, catalog.find("curves", name))


@dataclass(frozen=True)
class BoundCurve:
    """A curve with its ranges for one series and some parameters held fixed."""

    name: str
    """As in the catalog, which has its file or object."""
    ranges: tuple[Range, ...]
    fixed: Mapping[str, float]

    @property
    def entry(self) -> Curve:
        return _entry(self.name)

    @cached_property
    def linear(self) -> tuple[str, ...]:
        return tuple(n for n in self.entry.LINEAR if n not in self.fixed)

    @cached_property
    def nonlinear(self) -> tuple[str, ...]:
        return tuple(n for n in self.entry.NONLINEAR if n not in self.fixed)

    @cached_property
    def free_ranges(self) -> tuple[Range, ...]:
        pairs = zip(self.entry.NONLINEAR, self.ranges, strict=True)
        return tuple(r for n, r in pairs if n not in self.fixed)

    @cached_property
    def size(self) -> int:
        return len(self.linear) + len(self.nonlinear)

    @cached_property
    def positive(self) -> np.ndarray:
        """(L + Q,) which parameters are carried in their logarithm."""
        return np.array([False] * len(self.linear) + [r.scale == "log" for r in self.free_ranges])

    @cached_property
    def bounds(self) -> tuple[Array, Array]:
        """(Q,) ends of the ranges in internal coordinates (logarithm where the range is logarithmic)."""
        ends = [[np.log(e) if r.scale == "log" else e for e in (r.low, r.high)] for r in self.free_ranges]
        return np.array([e[0] for e in ends]), np.array([e[1] for e in ends])

    def grid(self, thinning: int = 1) -> Array:
        """(Q, G) internal coordinates; one point in `thinning` along each axis."""
        low, high = self.bounds
        points = [max(limits.points // thinning, 2) for limits in self.free_ranges]
        axes = [np.linspace(a, b, count) for a, b, count in zip(low, high, points, strict=True)]
        return np.stack([m.ravel() for m in np.meshgrid(*axes, indexing="ij")])

    def columns(self, depth: Array, inner: Array) -> tuple[Array, Array]:
        """Free basis (L, R, D) and the fixed linear part (R, D) for internal coordinates inner (Q, R)."""
        resamples = inner.shape[1]
        free = iter(zip(self.free_ranges, inner, strict=True))
        rows = []
        for name in self.entry.NONLINEAR:
            if name in self.fixed:
                rows.append(np.full(resamples, float(self.fixed[name])))
            else:
                limits, row = next(free)
                rows.append(np.exp(row) if limits.scale == "log" else row)
        nonlinear = np.array(rows).reshape(len(rows), resamples)
        basis = self.entry.basis(depth.copy(), nonlinear)  # a curve of the user's may write into what it is given
        if not self.fixed:
            return basis, np.zeros((resamples, len(depth)))
        keep = [i for i, n in enumerate(self.entry.LINEAR) if n not in self.fixed]
        offset = np.zeros((resamples, len(depth)))
        for i, name in enumerate(self.entry.LINEAR):
            if name in self.fixed:
                offset += self.fixed[name] * basis[i]
        return basis[keep], offset

    def value(self, depth: Array, linear: Array, inner: Array) -> Array:
        """(R, D) values for linear (L, R) and internal coordinates (Q, R)."""
        basis, offset = self.columns(depth, inner)
        for row, column in zip(linear, basis, strict=True):
            offset += row[:, None] * column
        return offset

    def slopes(self, depth: Array, linear: Array, inner: Array) -> Array:
        """(Q, R, D) derivative with respect to the internal coordinates, linear parameters held: central
        differences."""
        count, resamples = inner.shape
        if not count:
            return np.empty((0, resamples, len(depth)))
        step, shifts = self._shifts
        # Both sides of every parameter in one call: for a single series the calls are what costs.
        moved = (inner[:, None, :] + shifts[:, :, None]).reshape(count, 2 * count * resamples)
        both = np.concatenate([linear] * (2 * count), axis=1)
        values = self.value(depth, both, moved).reshape(2, count, resamples, len(depth))
        return (values[0] - values[1]) / (2 * step)[:, None, None]

    @cached_property
    def _shifts(self) -> tuple[Array, Array]:
        """(Q,) steps, and (Q, 2 * Q) a step up and one down in each parameter."""
        low, high = self.bounds
        step = 1e-6 * (high - low)
        return step, np.concatenate([np.diag(step), -np.diag(step)]).T

    def jacobian(self, depth: Array, linear: Array, inner: Array) -> Array:
        """(L + Q, R, D) derivative with respect to all free parameters, nonlinear ones in internal coordinates."""
        return np.concatenate([self.columns(depth, inner)[0], self.slopes(depth, linear, inner)])
