"""Limits of an uncensored curve by the profile of its squares (Bates & Watts 1988, chapter 6).

The limit of a quantity is where the least squares, with the quantity held there, exceed the overall least by what
`Studentised` allows. Unlike estimate +- error it is right where the data hardly know a parameter: the interval runs as
far as the squares stay low, to the end of the parameter's range and then on to infinity.

For given nonlinear parameters the squares are a quadratic in the linear ones. So all parameter vectors that the data
allow are known in closed form, one ellipsoid for each point of a scan of the nonlinear parameters, and the limits of
any quantity are its extremes over these. Axis letters: G scanned points, L linear and Q nonlinear parameters, P both,
D depths, K quantities.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skipray.curves import Array
from skipray.trends.bound_curve import BoundCurve
from skipray.trends.design import Design
from skipray.trends.fitted import LimitsFound
from skipray.trends.in_step import Search
from skipray.trends.projection import fit, project
from skipray.trends.studentised import Studentised, scaled_information

NEAR = 8.0
"""The scan is fine within so many standard errors of the estimate; beyond, it has the range's own points."""

STEPS = 65
"""Points of the fine part."""

SIDE_STEPS = np.linspace(-4.0, 4.0, 16)
"""Standard errors to the sides of a walk."""


@dataclass(frozen=True)
class _Path:
    """The least squares with one nonlinear parameter held at each of a row of values."""

    values: Array
    """(G,) rising."""
    rise: Array
    """(G,) squares above the least, in units of spread**2."""


@dataclass(frozen=True)
class _Scan:
    inner: Array
    """(Q, G) scanned nonlinear parameters."""
    linear: Array
    """(L, G) the linear parameters that fit best at each."""
    covariance: Array
    """(G, L, L) theirs."""
    rise: Array
    """(G,) squares above the least, in units of spread**2."""
    paths: tuple[_Path, ...]
    """One a nonlinear parameter."""


@dataclass(frozen=True)
class SquaresProfile:
    bound: BoundCurve
    design: Design
    """With what the seed effects add to its metric."""
    y: Array
    """(values,)."""
    linear: Array
    """(L, 1) estimates."""
    inner: Array
    """(Q, 1)."""
    spread: float
    resamples: int
    seed: int

    def of_parameters(self) -> Search[LimitsFound]:
        yield from ()  # nothing is to be maximised
        scan = self._scan
        excess = self._studentised.excess(np.eye(self.bound.size))
        spots = len(self.bound.linear)
        low, high = _extremes(scan.linear.T, np.einsum("gll->gl", scan.covariance), scan.rise, excess[:spots])
        ends = [
            _crossings(path, float(x), limits.closed)
            for path, x, limits in zip(scan.paths, excess[spots:], self.bound.free_ranges, strict=True)
        ]
        return np.append(low, [e[0] for e in ends]), np.append(high, [e[1] for e in ends])

    def of_means(self, at: Array, simultaneous: bool) -> Search[LimitsFound]:
        yield from ()
        scan = self._scan
        slopes = self.bound.jacobian(at, self.linear, self.inner)[:, 0]
        basis, offset = self.bound.columns(at, scan.inner)
        centre = np.einsum("lgk,lg->gk", basis, scan.linear) + offset
        with np.errstate(invalid="ignore"):  # a column without end at a point whose fit says nothing about it
            variance = np.einsum("glk,lgk->gk", scan.covariance @ basis.transpose(1, 0, 2), basis)
        return _extremes(centre, variance, scan.rise, self._studentised.excess_of_means(slopes, simultaneous))

    @cached_property
    def _studentised(self) -> Studentised:
        depths, design = self.design.depths, self.design
        slopes = self.bound.jacobian(depths, self.linear, self.inner)
        residual = self.y - self.bound.value(depths, self.linear, self.inner)[:, design.depth_index]
        return Studentised(design, slopes, residual, self.spread, self.resamples, self.seed)

    @cached_property
    def _scan(self) -> _Scan:
        design, target = self.design, self.design.means @ self.y
        count = len(self.inner)
        walks = [self._walk(target, j) for j in range(count)]
        inner = np.concatenate([self.inner, *walks, *(self._sides(walks[j], target, j) for j in range(count))], axis=1)
        found = project(self.bound, design.depths, inner, target, design.root)
        rise = (found.squares - found.squares[0]) / max(self.spread**2, 1e-300)
        ends = np.cumsum([1, *(walk.shape[1] for walk in walks)])
        paths = tuple(_Path(walks[j][j], rise[ends[j] : ends[j + 1]]) for j in range(count))
        return _Scan(inner, found.linear, found.inverse * self.spread**2, rise, paths)

    def _walk(self, target: Array, j: int) -> Array:
        """(Q, G) along nonlinear parameter j through all of its range, the others at their best."""
        low, high = self.bound.bounds
        spots, span = len(self.bound.linear), high[j] - low[j]
        covariance = self._studentised.model[spots:, spots:]
        variance = np.clip(covariance[j, j], (1e-9 * span) ** 2, span**2)
        near = self.inner[j] + np.sqrt(variance) * np.linspace(-NEAR, NEAR, STEPS)
        far = np.linspace(low[j], high[j], self.bound.free_ranges[j].points)
        values = np.unique(np.clip(np.concatenate([near, far]), low[j], high[j]))
        start = self.inner + np.outer(covariance[:, j] / variance, values - self.inner[j])
        start = np.clip(start, low[:, None], high[:, None])
        start[j] = values
        if len(start) == 1:
            return start
        goal = np.repeat(target[None], len(values), axis=0)
        design = self.design
        return fit(
            self.bound, design.depths, goal, design.root, start=start, held=j, iterations=12, tolerance=1e-6
        ).inner

    def _sides(self, walk: Array, target: Array, j: int) -> Array:
        """(Q, G) to the sides of a walk along nonlinear parameter j, in each of the others."""
        bound, design = self.bound, self.design
        spots, others = len(bound.linear), [o for o in range(len(walk)) if o != j]
        if not others:
            return walk[:, :0]
        slopes = bound.jacobian(design.depths, project(bound, design.depths, walk, target, design.root).linear, walk)
        scaled, scale = scaled_information(design, np.delete(slopes, spots + j, axis=0), ridge=1e-10)
        errors = self.spread * np.sqrt(np.einsum("rpp->rp", np.linalg.inv(scaled))) / scale
        low, high = bound.bounds
        out = []
        for place, o in enumerate(others, spots):
            error = np.minimum(errors[:, place], high[o] - low[o])
            for step in SIDE_STEPS:
                moved = walk.copy()
                moved[o] = np.clip(moved[o] + step * error, low[o], high[o])
                out.append(moved)
        return np.concatenate(out, axis=1)


def _extremes(centre: Array, variance: Array, rise: Array, excess: Array) -> tuple[Array, Array]:
    """(K,) lowest and highest over all scanned points (G, K) whose squares are low enough. Variances that are not
    numbers are taken as infinite."""
    left = excess - rise[:, None]
    spread = np.sqrt(np.where(np.isnan(variance), np.inf, np.maximum(variance, 0.0)))
    half = np.multiply(np.sqrt(np.maximum(left, 0.0)), spread, where=left > 0, out=np.zeros(left.shape))
    low = np.where(left >= 0, centre - half, np.inf).min(axis=0)
    high = np.where(left >= 0, centre + half, -np.inf).max(axis=0)
    return low, high


def _crossings(path: _Path, excess: float, closed: bool) -> tuple[float, float]:
    """Where the rise along a path passes the excess, outermost; infinite where it has not by the end of the range."""
    inside = np.flatnonzero(path.rise <= excess)
    root = np.sqrt(np.maximum(path.rise, 0.0))
    out = []
    for end, side in ((inside[0], -1), (inside[-1], 1)):
        beyond = end + side
        if not 0 <= beyond < len(path.values):
            out.append(float(path.values[end]) if closed else side * np.inf)
            continue
        part = (np.sqrt(excess) - root[end]) / (root[beyond] - root[end])
        out.append(float(path.values[end] + part * (path.values[beyond] - path.values[end])))
    return out[0], out[1]
