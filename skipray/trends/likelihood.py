"""The likelihood of a series with censored values: curve + seed effect + noise.

A censored value counts as the probability of lying beyond its bound (Tobin 1958). Seed effects are drawn from a normal
law of known spread and are estimated along with the curve (penalised likelihood: Breslow & Clayton 1993), so that a
seed that lies high at one depth is expected to at the others. The noise's spread follows a power of depth.
`freedom_spent` takes from the spread's likelihood the degrees of freedom that curve and seeds use up, as restricted
likelihood does.

A state is one row: linear parameters, nonlinear ones in internal coordinates, seed effects, log spread. Axis letters:
R states, M entries of a state, P parameters of the curve, S seeds, N values, D depths.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import erfcx, log_ndtr

from skipray.curves import Array
from skipray.trends.bound_curve import BoundCurve
from skipray.trends.design import Design

_HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))


@dataclass(frozen=True)
class _Terms:
    """Log-likelihood of each value and its derivatives in the mean m and in e = log spread, each (R, N). The second
    ones of a value that is seen are the expected ones, which keep Newton's steps uphill far from the peak."""

    value: Array
    m: Array
    e: Array
    mm: Array
    me: Array
    ee: Array


@dataclass(frozen=True)
class Likelihood:
    bound: BoundCurve
    design: Design
    y: Array
    """(N,) a censored value is its bound."""
    signs: np.ndarray
    """(N,) -1 below, 0, 1 above."""
    seed_spread: float = 0.0
    """Standard deviation of the seed effects; 0 leaves them out."""
    power: float = 0.0
    """The noise's variance goes with depth ** power."""
    freedom_spent: float = 0.0

    @property
    def spots(self) -> int:
        """Linear parameters."""
        return len(self.bound.linear)

    @property
    def size(self) -> int:
        """Parameters of the curve."""
        return self.bound.size

    @property
    def seeds(self) -> int:
        return self.design.seeds if self.seed_spread > 0 else 0

    @property
    def entries(self) -> int:
        return self.size + self.seeds + 1

    @cached_property
    def relative(self) -> Array:
        """(N,) the noise's spread relative to that at the geometric mean depth."""
        log_depth = np.log(self.design.depths)
        out: Array = np.exp(0.5 * self.power * (log_depth - log_depth.mean()))[self.design.depth_index]
        return out

    @cached_property
    def least_spread(self) -> float:
        """Log of the smallest spread that is told from none."""
        return float(np.log(1e-9 * max(float(np.abs(self.y).max()), 1e-290)))

    @cached_property
    def _by_depth(self) -> Array:
        return np.eye(len(self.design.depths))[self.design.depth_index]

    @cached_property
    def by_seed(self) -> Array:
        """(N, S) which value is which seed's."""
        return np.eye(max(self.design.seeds, 1))[self.design.seed_index if self.design.seeds else 0 * self.signs]

    @cached_property
    def _by_cell(self) -> Array:
        both = self._by_depth[:, :, None] * self.by_seed[:, None, :]
        return both.reshape(len(self.y), -1)

    def curve(self, states: Array) -> tuple[Array, Array]:
        """Linear (L, R) and nonlinear (Q, R) parameters of states (R, M)."""
        return states[:, : self.spots].T, states[:, self.spots : self.size].T

    def height(self, states: Array) -> Array:
        """(R,) log-likelihood."""
        return self._penalised(states, self._terms(states))

    def gradient(self, states: Array) -> tuple[Array, Array, Array]:
        """Gradient (R, M), information (R, M, M) without the curve's own bend, and slopes (P, R, D)."""
        terms = self._terms(states)
        slopes = self.bound.jacobian(self.design.depths, *self.curve(states))
        pull, mm, me = terms.m / self.relative, -terms.mm / self.relative**2, -terms.me / self.relative
        p, rows = self.size, len(states)
        out = np.empty((rows, self.entries))
        information = np.zeros((rows, self.entries, self.entries))
        bent = slopes.transpose(1, 0, 2)
        out[:, :p] = (bent @ (pull @ self._by_depth)[:, :, None])[:, :, 0]
        out[:, -1] = terms.e.sum(axis=1) + self.freedom_spent
        information[:, :p, :p] = (bent * (mm @ self._by_depth)[:, None]) @ bent.transpose(0, 2, 1)
        across = (bent @ (me @ self._by_depth)[:, :, None])[:, :, 0]
        information[:, :p, -1] = information[:, -1, :p] = across
        information[:, -1, -1] = -terms.ee.sum(axis=1)
        if self.seeds:
            own = np.arange(p, p + self.seeds)
            out[:, p:-1] = pull @ self.by_seed - states[:, p:-1] / self.seed_spread**2
            cells = (mm @ self._by_cell).reshape(rows, -1, self.seeds)
            information[:, :p, p:-1] = bent @ cells
            information[:, p:-1, :p] = information[:, :p, p:-1].transpose(0, 2, 1)
            information[:, own, own] = mm @ self.by_seed + 1 / self.seed_spread**2
            information[:, p:-1, -1] = information[:, -1, p:-1] = me @ self.by_seed
        return out, information, slopes

    def seed_pulls(self, state: Array) -> Array:
        """(S, M) each seed's share of the gradient at one state (1, M)."""
        terms = self._terms(state)
        slopes = self.bound.jacobian(self.design.depths, *self.curve(state))[:, 0]
        cells = ((terms.m / self.relative) @ self._by_cell).reshape(-1, self.design.seeds)
        out = np.zeros((self.design.seeds, self.entries))
        out[:, : self.size] = (slopes @ cells).T
        out[:, -1] = terms.e[0] @ self.by_seed + self.freedom_spent / self.design.seeds
        if self.seeds:
            own = np.arange(self.seeds)
            out[own, self.size + own] = cells.sum(axis=0) - state[0, self.size : -1] / self.seed_spread**2
        return out

    def expected_squares(self, states: Array) -> Array:
        """(R, N) squared distance from the mean, in units of the spread at the mean depth; of a censored value what is
        expected of it."""
        return (self._terms(states).e + 1) * self.relative**2

    def uncensored_information(self, state: Array) -> Array:
        """(M, M) what the information at one state (1, M) would be, were every value seen."""
        seen = Likelihood(
            self.bound, self.design, self._mean(state)[0], 0 * self.signs, self.seed_spread, self.power,
        )  # fmt: skip
        return np.asarray(seen.gradient(state)[1][0])

    def determined(self, state: Array, inverse: Array) -> float:
        """How many parameters of curve and seeds the uncensored values determine: the sum of their leverages.
        inverse: (M - 1, M - 1) of the information."""
        seen = self.signs == 0
        columns = self.bound.jacobian(self.design.depths, *self.curve(state))[:, 0][:, self.design.depth_index]
        if self.seeds:
            columns = np.concatenate([columns, self.by_seed.T])
        columns = columns[:, seen] / (np.exp(state[0, -1]) * self.relative[seen])
        return float(np.einsum("mn,mk,kn->", columns, inverse, columns, optimize=True))

    def _mean(self, states: Array) -> Array:
        mean = self.bound.value(self.design.depths, *self.curve(states))[:, self.design.depth_index]
        return mean + states[:, self.size : -1][:, self.design.seed_index] if self.seeds else mean

    def _penalised(self, states: Array, terms: _Terms) -> Array:
        # The values are taken in units of the relative spread.
        units = float(np.sum(np.log(self.relative[self.signs == 0])))
        height = terms.value.sum(axis=1) - units + self.freedom_spent * states[:, -1]
        if self.seeds:
            height = height - 0.5 * np.sum(states[:, self.size : -1] ** 2, axis=1) / self.seed_spread**2
        return height

    def _terms(self, states: Array) -> _Terms:
        """In units of the relative spread."""
        return _tobit(self.y / self.relative, self.signs, self._mean(states) / self.relative, states[:, -1])


def _tobit(y: Array, signs: np.ndarray, mean: Array, log_spread: Array) -> _Terms:
    scale = np.exp(log_spread)[:, None]
    z = (y - mean) / scale
    out = _Terms(
        -0.5 * z**2 - _HALF_LOG_2PI - log_spread[:, None], z / scale, z**2 - 1, -1 / scale**2 + 0 * z, 0 * z,
        np.full_like(z, -2.0),
    )  # fmt: skip
    hit = np.flatnonzero(signs)
    side = signs[hit]
    v = -side * z[:, hit]
    hazard, bend = _tail(v)
    out.value[:, hit] = log_ndtr(v)
    out.m[:, hit] = side * hazard / scale
    out.e[:, hit] = -v * hazard
    out.mm[:, hit] = -bend / scale**2
    out.me[:, hit] = -side * (hazard - bend * v) / scale
    out.ee[:, hit] = v * hazard - bend * v**2
    return out


def _tail(v: Array) -> tuple[Array, Array]:
    """Hazard phi(v) / Phi(v) and its negative slope, through erfcx, which holds far out in the tail."""
    hazard = np.sqrt(2 / np.pi) / erfcx(-v / np.sqrt(2))
    return hazard, np.clip(hazard * (hazard + v), 0.0, 1.0)
