"""Least squares of a curve by variable projection, over many resamples at once.

The linear parameters are eliminated by an orthonormal basis (modified Gram-Schmidt, vectorised over resamples); the
nonlinear ones start from the best point of a grid and are refined by Levenberg-Marquardt on the projected problem with
Kaufman's Jacobian (Kaufman 1975; Golub & Pereyra 2003). Axis letters: R resamples, D depths, L linear and Q nonlinear
parameters, G grid points.
"""

from dataclasses import dataclass

import numpy as np

from skipray.curves import Array
from skipray.trends.bound_curve import BoundCurve

_TINY = 1e-300

MOST_AT_ONCE = 2_000_000
"""Numbers that a grid search over many series holds at once: 16 MB."""


@dataclass(frozen=True)
class Fit:
    linear: Array
    """(L, R)."""
    inner: Array
    """(Q, R) nonlinear parameters in internal coordinates."""
    squares: Array
    """(R,) residual squares in the metric."""


def fit(
    curve: BoundCurve,
    depth: Array,
    target: Array,
    root: Array,
    *,
    start: Array | None = None,
    mask: Array | None = None,
    held: int | None = None,
    iterations: int = 60,
    tolerance: float = 1e-11,
) -> Fit:
    """Fit target (R, D) in the metric root.T @ root.

    Args:
        root: (D, D) of all targets, or (R, D, D) each one's own.
        start: (Q, R) internal coordinates to refine from; a grid search when None.
        mask: (R, D) 1 for the depths that count, 0 for those left out.
        held: a nonlinear parameter that stays where it starts.
        iterations: at most so many refinements.
        tolerance: relative size, to the range, of the last step.
    """
    flat = np.diagonal(root, axis1=-2, axis2=-1)
    diagonal = np.count_nonzero(root) == np.count_nonzero(flat)
    own = root.ndim == 3

    def whiten(columns: Array, rows: np.ndarray | slice) -> Array:
        if mask is not None:
            columns = columns * mask[rows]
        if diagonal:
            return columns * (flat[rows] if own else flat)
        if own:
            return (columns[..., None, :] @ root[rows].transpose(0, 2, 1))[..., 0, :]
        return columns @ root.T

    goal = whiten(target, slice(None))
    if not curve.nonlinear:
        inner = np.empty((0, len(target)))
        solved = _project(curve, depth, inner, goal, whiten, slice(None))
        return Fit(solved.linear, inner, np.einsum("rd,rd->r", solved.residual, solved.residual))
    inner = start.copy() if start is not None else _grid_search(curve, depth, goal, whiten)
    return _refine(curve, depth, inner, goal, whiten, held, iterations, tolerance)


@dataclass(frozen=True)
class Projection:
    """The linear parameters that fit best at given nonlinear ones."""

    linear: Array
    """(L, R)."""
    inverse: Array
    """(R, L, L) inverse of their information: times the noise's variance, their covariance."""
    squares: Array
    """(R,)."""


def project(curve: BoundCurve, depth: Array, inner: Array, target: Array, root: Array) -> Projection:
    """Fit the linear parameters to one target (D,) at each column of inner (Q, R), in the metric root.T @ root."""

    def whiten(columns: Array, rows: np.ndarray | slice) -> Array:
        return columns @ root.T

    goal = np.repeat((root @ target)[None], inner.shape[1], axis=0)
    found = _project(curve, depth, inner, goal, whiten, slice(None))
    squares = np.einsum("rd,rd->r", found.residual, found.residual)
    # The factor's inverse, a column at a time; a lost column has an infinite factor and gets no share.
    size = len(found.orthonormal)
    inverse = np.zeros((inner.shape[1], size, size))
    for j in range(size):
        inverse[:, j, j] = 1.0 / found.factor[j, j]
        for i in reversed(range(j)):
            later = sum(found.factor[i, k] * inverse[:, k, j] for k in range(i + 1, j + 1))
            inverse[:, i, j] = -later / found.factor[i, i]
    return Projection(found.linear, np.einsum("rik,rjk->rij", inverse, inverse), squares)


def orthonormalise(columns: Array) -> tuple[list[Array], Array]:
    """Gram-Schmidt, twice for accuracy: orthonormal columns, each (R, D), and the triangular factor (L, L, R)."""
    size, resamples = len(columns), columns.shape[1]
    factor = np.zeros((size, size, resamples))
    out: list[Array] = []
    for j in range(size):
        vector = columns[j]
        length = np.sqrt(np.einsum("rd,rd->r", vector, vector))
        for _ in range(2):
            for i, unit in enumerate(out):
                part = np.einsum("rd,rd->r", unit, vector)
                factor[i, j] += part
                vector = vector - part[:, None] * unit
        left = np.sqrt(np.einsum("rd,rd->r", vector, vector))
        # A column that the earlier ones already span gets no share, instead of one made of rounding.
        lost = left <= 1e-11 * length + _TINY
        factor[j, j] = np.where(lost, np.inf, left)
        out.append(np.where(lost[:, None], 0.0, vector / np.maximum(left, _TINY)[:, None]))
    return out, factor


@dataclass(frozen=True)
class Solved:
    """Least squares in columns of a matrix for each of R resamples."""

    orthonormal: list[Array]
    """The columns' basis, each (R, D)."""
    factor: Array
    """(L, L, R) triangular."""
    linear: Array
    """(L, R)."""
    residual: Array
    """(R, D)."""


def solve_linear(columns: Array, goal: Array) -> Solved:
    """The combination of columns (L, R, D) that comes closest to goal (R, D)."""
    units, factor = orthonormalise(columns)
    parts, residual = [], goal
    for unit in units:
        parts.append(np.einsum("rd,rd->r", unit, residual))
        residual = residual - parts[-1][:, None] * unit
    linear = np.zeros((len(units), len(residual)))
    for j in reversed(range(len(units))):
        later = sum((factor[j, k] * linear[k] for k in range(j + 1, len(units))), np.zeros(len(residual)))
        linear[j] = (parts[j] - later) / factor[j, j]
    return Solved(units, factor, linear, residual)


def _project(curve, depth, inner, goal, whiten, rows) -> Solved:  # type: ignore[no-untyped-def]
    columns, offset = curve.columns(depth, inner)
    return solve_linear(whiten(columns, rows), goal - whiten(offset, rows))


def _grid_search(curve, depth, goal, whiten) -> Array:  # type: ignore[no-untyped-def]
    """(Q, R) the grid point with the least squares for each of goal's rows, in its metric."""
    grid = curve.grid()
    columns, offset = curve.columns(depth, grid)
    points, out = grid.shape[1], []
    at_once = max(MOST_AT_ONCE // (points * len(depth) * len(columns)), 1)
    for first in range(0, len(goal), at_once):
        rows = np.repeat(np.arange(first, min(first + at_once, len(goal))), points)
        count = len(rows) // points
        units, _ = orthonormalise(whiten(np.tile(columns, (1, count, 1)), rows))
        away = goal[rows] - whiten(np.tile(offset, (count, 1)), rows)
        explained = sum(np.einsum("rd,rd->r", unit, away) ** 2 for unit in units)
        cost = np.einsum("rd,rd->r", away, away) - explained
        out.append(grid[:, np.argmin(cost.reshape(count, points), axis=1)])
    return np.concatenate(out, axis=1)


def _refine(curve, depth, inner, goal, whiten, held, iterations, tolerance) -> Fit:  # type: ignore[no-untyped-def]
    """Levenberg-Marquardt, each resample with its own damping; those that have arrived are left alone."""
    low, high = curve.bounds
    span = (high - low)[:, None]
    active = np.arange(len(goal))
    linear = np.zeros((len(curve.linear), len(goal)))
    squares = np.full(len(goal), np.inf)
    damping = np.full(len(goal), 1e-3)
    inner, trial = inner.copy(), inner.copy()
    for _ in range(iterations):
        solved = _project(curve, depth, trial[:, active], goal[active], whiten, active)
        cost = np.einsum("rd,rd->r", solved.residual, solved.residual)
        better = cost < squares[active]
        level = ~better & (cost <= squares[active] * (1 + 1e-13))
        rows = active[better]
        squares[rows], linear[:, rows], inner[:, rows] = cost[better], solved.linear[:, better], trial[:, rows]
        damping[active] *= np.where(better, 0.1, 8.0)
        if not bool(np.all(better)):
            # Rejected steps need the basis at the best point again.
            solved = _project(curve, depth, inner[:, active], goal[active], whiten, active)
        slopes = whiten(curve.slopes(depth, linear[:, active], inner[:, active]), active)
        if held is not None:
            slopes[held] = 0.0
        for unit in solved.orthonormal:
            slopes = slopes - np.einsum("qrd,rd->qr", slopes, unit)[:, :, None] * unit
        normal = np.einsum("qrd,krd->rqk", slopes, slopes)
        gradient = np.einsum("qrd,rd->rq", slopes, solved.residual)
        diagonal = np.einsum("rqq->rq", normal)  # a view
        diagonal += damping[active][:, None] * diagonal + _TINY
        step = (
            gradient / diagonal if len(inner) == 1 else np.linalg.solve(_regular(normal), gradient[:, :, None])[:, :, 0]
        )
        moved = np.clip(inner[:, active] + step.T, low[:, None], high[:, None])
        going = (np.abs(moved - inner[:, active]) / span).max(axis=0) > tolerance
        going &= ~level & (damping[active] < 1e10)
        active = active[going]
        trial[:, active] = moved[:, going]
        if not len(active):
            break
    return Fit(linear, inner, squares)


def _regular(matrices: Array) -> Array:
    """The matrices (R, Q, Q) with so small a ridge that only exactly singular ones notice."""
    size = matrices.shape[-1]
    trace = np.einsum("rqq->r", matrices)[:, None, None]
    return matrices + (1e-14 * trace + _TINY) * np.eye(size)
