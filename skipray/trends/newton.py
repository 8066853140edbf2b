"""The maximum of a likelihood by Newton's method, many states at once, some quantity of each held if wanted.

Levenberg's damping, each state with its own. A step is taken in the values of the curve rather than in its linear
parameters, which follow from the nonlinear ones by projection: a power law can then pass through exponent 0, where its
coefficient changes sign through infinity. Axis letters as in `likelihood`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skipray.curves import Array
from skipray.trends.likelihood import Likelihood, Terms
from skipray.trends.projection import solve_linear


@dataclass(frozen=True)
class Constraint:
    """For each of R states the quantity that is held: a parameter, or the mean at a depth."""

    likelihood: Likelihood
    parameter: np.ndarray
    """(R,) position of the parameter; -1 for a mean."""
    depth: Array
    """(R,) of the mean; any depth for a parameter."""

    def of(self, rows: np.ndarray) -> "Constraint":
        return Constraint(self.likelihood, self.parameter[rows], self.depth[rows])

    def value(self, states: Array) -> Array:
        """(R,)."""
        rows = np.arange(len(states))
        basis, offset = self._basis(states)
        mean = np.sum(basis * states[:, : self.likelihood.spots].T, axis=0) + offset
        return np.where(self.parameter < 0, mean, states[rows, np.maximum(self.parameter, 0)])

    def gradient(self, states: Array) -> Array:
        """(R, M)."""
        out = np.zeros(states.shape)
        if len(self._means):
            depths, at = self._depths
            lik, rows = self.likelihood, np.arange(len(states))
            slopes = lik.bound.jacobian(depths, *lik.curve(states))[:, rows, at]
            out[:, : lik.size] = np.where(self.parameter < 0, slopes, 0.0).T
        out[self._named, self.parameter[self._named]] = 1.0
        return out

    def restore(self, states: Array, goal: Array) -> Array:
        """The states with the quantity at its goal (R,), the curve changed as little as can be."""
        out, lik, named, means = states.copy(), self.likelihood, self._named, self._means
        bent = named[(self.parameter >= lik.spots)[named] & (out[named, self.parameter[named]] != goal[named])]
        before = lik.bound.value(lik.design.depths, *lik.curve(out[bent])) if len(bent) else np.empty(0)
        out[named, self.parameter[named]] = goal[named]
        if len(bent):
            out[bent] = nearest(lik, out[bent], before)
        if len(means):
            basis, offset = self._basis(out)
            away = goal - np.sum(basis * out[:, : lik.spots].T, axis=0) - offset
            move = basis * away / np.maximum(np.sum(basis**2, axis=0), 1e-300)
            out[means, : lik.spots] += move.T[means]
        return out

    @cached_property
    def _named(self) -> np.ndarray:
        """Rows that hold a parameter."""
        return np.flatnonzero(self.parameter >= 0)

    @cached_property
    def _means(self) -> np.ndarray:
        """Rows that hold a mean."""
        return np.flatnonzero(self.parameter < 0)

    def _basis(self, states: Array) -> tuple[Array, Array]:
        rows = np.arange(len(states))
        depths, at = self._depths
        basis, offset = self.likelihood.bound.columns(depths, self.likelihood.curve(states)[1])
        return basis[:, rows, at], offset[rows, at]

    @cached_property
    def _depths(self) -> tuple[Array, np.ndarray]:
        """The different depths, and which is whose: rows of many series ask for the same few."""
        depths, at = np.unique(self.depth, return_inverse=True)
        return depths, at


def maximise(
    likelihood: Likelihood,
    states: Array,
    constraint: Constraint | None = None,
    goal: Array | None = None,
    *,
    steps: int = 60,
    tolerance: float = 1e-9,
) -> tuple[Array, Array]:
    """The highest states (R, M) from given ones, and their heights (R,).

    Args:
        constraint, goal: quantities that stay at their goals (R,).
        tolerance: gain, relative to the height, below which a state has arrived.
    """
    states = _inside(likelihood, states.copy())
    if constraint is not None and goal is not None:
        states = constraint.restore(states, goal)
    best = np.full(len(states), -np.inf)
    damping = np.full(len(states), 1e-4)
    trial = states.copy()
    active = np.arange(len(states))
    now, own = likelihood, constraint
    for _ in range(steps + 1):
        terms = now.terms(trial[active])
        height = now.height(trial[active], terms)
        height = np.where(np.isfinite(height), height, -np.inf)
        better = height > best[active]
        arrived = better & (height - best[active] < tolerance * (1 + np.abs(height)))
        states[active[better]] = trial[active[better]]
        best[active[better]] = height[better]
        damping[active] = np.maximum(damping[active] * np.where(better, 0.1, 10.0), 1e-9)
        going = ~arrived & (damping[active] < 1e8)
        active = active[going]
        if not len(active):
            break
        # What was found at a trial holds of the state that it has become.
        known = terms.of(going) if better[going].all() else None
        if not going.all():
            now = likelihood.of(active)
            own = None if constraint is None else constraint.of(active)
        moved = _step(now, states[active], damping[active], own, known)
        trial[active] = moved if own is None or goal is None else own.restore(moved, goal[active])
    return states, best


def _step(
    likelihood: Likelihood, states: Array, damping: Array, constraint: Constraint | None, terms: Terms | None
) -> Array:
    gradient, information, slopes = likelihood.gradient(states, terms)
    pinned = _pinned(likelihood, states, gradient)
    if constraint is None:
        step = solve(information, gradient[:, :, None], damping, pinned)[:, :, 0]
    else:
        normal = constraint.gradient(states)
        found = solve(information, np.stack([gradient, normal], axis=-1), damping, pinned)
        free, along = found[:, :, 0], found[:, :, 1]
        size = np.sum(normal * along, axis=1)
        share = np.sum(normal * free, axis=1) / np.where(size > 1e-300, size, 1.0)
        step = free - share[:, None] * along
    step[:, -1] = np.clip(step[:, -1], -1.0, 1.0)
    moved = _inside(likelihood, states + step)
    if likelihood.bound.nonlinear:
        linear_held = np.zeros(len(states), dtype=bool)
        if constraint is not None:
            linear_held = (constraint.parameter >= 0) & (constraint.parameter < likelihood.spots)
        goal = likelihood.bound.value(likelihood.design.depths, *likelihood.curve(states))
        goal = goal + sum(slopes[:, p] * step[:, p, None] for p in range(likelihood.size))
        moved[~linear_held] = nearest(likelihood, moved[~linear_held], goal[~linear_held])
    return moved


def nearest(likelihood: Likelihood, states: Array, curve: Array) -> Array:
    """The states with the linear parameters that come closest to a curve's values (R, D)."""
    if not len(states):
        return states
    basis, offset = likelihood.bound.columns(likelihood.design.depths, likelihood.curve(states)[1])
    out = states.copy()
    out[:, : likelihood.spots] = solve_linear(basis, curve - offset).linear.T
    return out


def solve(information: Array, right: Array, damping: Array | None = None, pinned: np.ndarray | None = None) -> Array:
    """(R, M, K) solution for information (R, M, M) and right (R, M, K), in the parameters' own scales. Pinned entries
    (R, M) stay where they are."""
    scale = np.sqrt(np.maximum(np.abs(np.einsum("rmm->rm", information)), 1e-150))
    eye = np.eye(information.shape[-1])
    scaled = information / scale[:, :, None] / scale[:, None, :]
    scaled = scaled + (1e-11 + (np.zeros(len(scale)) if damping is None else damping))[:, None, None] * eye
    goal = right / scale[:, :, None]
    if pinned is not None and pinned.any():
        scaled = np.where(pinned[:, :, None] | pinned[:, None, :], eye, scaled)
        goal = np.where(pinned[:, :, None], 0.0, goal)
    return np.asarray(np.linalg.solve(scaled, goal) / scale[:, :, None])


def _inside(likelihood: Likelihood, states: Array) -> Array:
    """The states, nonlinear parameters inside of their ranges and the spread not below the least."""
    low, high = likelihood.bound.bounds
    states[:, likelihood.spots : likelihood.size] = np.clip(states[:, likelihood.spots : likelihood.size], low, high)
    states[:, -1] = np.maximum(states[:, -1], likelihood.rows.least_spread)
    return states


def _pinned(likelihood: Likelihood, states: Array, gradient: Array) -> np.ndarray:
    """(R, M) nonlinear parameters at an end of their range that would go beyond."""
    low, high = likelihood.bound.bounds
    inner = slice(likelihood.spots, likelihood.size)
    out = np.zeros(states.shape, dtype=bool)
    outward = gradient[:, inner]
    out[:, inner] = ((states[:, inner] <= low) & (outward < 0)) | ((states[:, inner] >= high) & (outward > 0))
    return out
