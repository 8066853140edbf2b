"""The likelihood of a series with censored values: curve + seed effect + noise.

A censored value counts as the probability of lying beyond its bound (Tobin 1958). Seed effects are drawn from a normal
law of known spread and are estimated along with the curve (penalised likelihood: Breslow & Clayton 1993), so that a
seed that lies high at one depth is expected to at the others. The noise's spread follows a power of depth.
`freedom_spent` takes from the spread's likelihood the degrees of freedom that curve and seeds use up, as restricted
likelihood does.

Each state has its own row of the likelihood, with values of its own: what is computed of a row does not depend, to the
last bit, on the others. A state is one row: linear parameters, nonlinear ones in internal coordinates, seed effects,
log spread. Axis letters: R states, M entries of a state, P parameters of the curve, S seeds, N values, D depths.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import erfcx, log_ndtr

from skipray.curves import Array
from skipray.trends.bound_curve import BoundCurve
from skipray.trends.design import Design
from skipray.trends.likelihood_rows import Rows, Sums, rows_of

_HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Terms:
    """Log-likelihood of each value and its derivatives in the mean m and in e = log spread, each (R, N). The second
    ones of a value that is seen are the expected ones, which keep Newton's steps uphill far from the peak."""

    value: Array
    m: Array
    e: Array
    mm: Array
    me: Array
    ee: Array

    def of(self, rows: np.ndarray) -> "Terms":
        return Terms(self.value[rows], self.m[rows], self.e[rows], self.mm[rows], self.me[rows], self.ee[rows])


@dataclass(frozen=True)
class Likelihood:
    bound: BoundCurve
    design: Design
    """Of all rows."""
    rows: Rows
    sums: Sums
    seeded: bool
    """Whether there are seed effects."""

    @classmethod
    def of_series(cls, bound: BoundCurve, design: Design, y: Array, signs: np.ndarray) -> "Likelihood":
        """Of one series, y and signs (N,), without seed effects: a single row."""
        none = np.zeros(1)
        return cls(bound, design, rows_of(design, y[None], signs[None], none, none, none), Sums.of(design), False)

    def of(self, rows: np.ndarray) -> "Likelihood":
        return Likelihood(self.bound, self.design, self.rows.of(rows), self.sums, self.seeded)

    def repeated(self, count: int) -> "Likelihood":
        """A single row as many times."""
        return self.of(np.zeros(count, dtype=int))

    def varying(self, seed_spread: float, power: float) -> "Likelihood":
        """Of a single row: with other variances. A spread of 0 leaves seed effects out."""
        own = self.rows
        rows = rows_of(self.design, own.y, own.signs, np.array([seed_spread]), np.array([power]), own.freedom_spent)
        return replace(self, rows=rows, seeded=seed_spread > 0)

    def spending(self, freedom: float) -> "Likelihood":
        """Of a single row: with so many degrees of freedom taken from the spread's likelihood."""
        return replace(self, rows=replace(self.rows, freedom_spent=np.array([freedom])))

    @cached_property
    def key(self) -> Hashable:
        """Equal where rows can stand in one likelihood."""
        bound, design = self.bound, self.design
        curve = (bound.name, bound.ranges, tuple(sorted(bound.fixed.items())))
        places = (design.depths.tobytes(), design.depth_index.tobytes(), design.seed_index.tobytes(), design.seeds)
        return *curve, *places, self.seeded

    @cached_property
    def spots(self) -> int:
        """Linear parameters."""
        return len(self.bound.linear)

    @cached_property
    def size(self) -> int:
        """Parameters of the curve."""
        return self.bound.size

    @property
    def seeds(self) -> int:
        return self.design.seeds if self.seeded else 0

    @property
    def entries(self) -> int:
        return self.size + self.seeds + 1

    def curve(self, states: Array) -> tuple[Array, Array]:
        """Linear (L, R) and nonlinear (Q, R) parameters of states (R, M)."""
        # Copies that lie side by side: a function of an array may round otherwise where it has gaps.
        return (
            np.ascontiguousarray(states[:, : self.spots].T),
            np.ascontiguousarray(states[:, self.spots : self.size].T),
        )

    def height(self, states: Array, terms: Terms) -> Array:
        """(R,) log-likelihood; terms at these states."""
        own = self.rows
        # The values are taken in units of the relative spread.
        height = terms.value.sum(axis=1) - own.units + own.freedom_spent * states[:, -1]
        if self.seeds:
            height = height - 0.5 * np.sum(states[:, self.size : -1] ** 2, axis=1) / own.seed_spread**2
        return height

    def gradient(self, states: Array, terms: Terms | None = None) -> tuple[Array, Array, Array]:
        """Gradient (R, M), information (R, M, M) without the curve's own bend, and slopes (R, P, D); terms at these
        states, where they are known."""
        terms, own = terms or self.terms(states), self.rows
        slopes = np.ascontiguousarray(self.bound.jacobian(self.design.depths, *self.curve(states)).transpose(1, 0, 2))
        p, rows = self.size, len(states)
        three = np.concatenate([terms.m / own.relative, -terms.mm / own.relative**2, -terms.me / own.relative])
        pull, mm, me = self.sums.by_depth(three).reshape(3, rows, -1)
        out = np.empty((rows, self.entries))
        information = np.zeros((rows, self.entries, self.entries))
        out[:, :p] = (slopes @ pull[:, :, None])[:, :, 0]
        out[:, -1] = terms.e.sum(axis=1) + own.freedom_spent
        information[:, :p, :p] = (slopes * mm[:, None]) @ slopes.transpose(0, 2, 1)
        across = (slopes @ me[:, :, None])[:, :, 0]
        information[:, :p, -1] = information[:, -1, :p] = across
        information[:, -1, -1] = -terms.ee.sum(axis=1)
        if self.seeds:
            pull, mm, me = self.sums.by_seed(three).reshape(3, rows, -1)
            variance = own.seed_spread[:, None] ** 2
            seeds = np.arange(p, p + self.seeds)
            out[:, p:-1] = pull - states[:, p:-1] / variance
            information[:, :p, p:-1] = slopes @ self.sums.by_cell(three[rows : 2 * rows])
            information[:, p:-1, :p] = information[:, :p, p:-1].transpose(0, 2, 1)
            information[:, seeds, seeds] = mm + 1 / variance
            information[:, p:-1, -1] = information[:, -1, p:-1] = me
        return out, information, slopes

    def seed_pulls(self, state: Array) -> Array:
        """(S, M) each seed's share of the gradient at one state (1, M)."""
        terms, own, seeds = self.terms(state), self.rows, self.design.seeds
        slopes = self.bound.jacobian(self.design.depths, *self.curve(state))[:, 0]
        cells = self.sums.by_cell(terms.m / own.relative)[0]
        out = np.zeros((seeds, self.entries))
        out[:, : self.size] = (slopes @ cells).T
        out[:, -1] = self.sums.by_seed(terms.e)[0] + own.freedom_spent[0] / seeds
        if self.seeds:
            rows = np.arange(seeds)
            out[rows, self.size + rows] = cells.sum(axis=0) - state[0, self.size : -1] / own.seed_spread[0] ** 2
        return out

    def expected_squares(self, states: Array) -> Array:
        """(R, N) squared distance from the mean, in units of the spread at the mean depth; of a censored value what is
        expected of it."""
        return (self.terms(states).e + 1) * self.rows.relative**2

    def uncensored_information(self, state: Array) -> Array:
        """(M, M) what the information at one state (1, M) would be, were every value seen."""
        own = self.rows
        seen = rows_of(self.design, self._mean(state), 0 * own.signs, own.seed_spread, own.power, np.zeros(1))
        return np.asarray(replace(self, rows=seen).gradient(state)[1][0])

    def determined(self, state: Array, inverse: Array) -> float:
        """How many parameters of curve and seeds the uncensored values determine: the sum of their leverages.
        inverse: (M - 1, M - 1) of the information."""
        seen = self.rows.signs[0] == 0
        columns = self.bound.jacobian(self.design.depths, *self.curve(state))[:, 0][:, self.design.depth_index]
        if self.seeds:
            columns = np.concatenate([columns, np.eye(self.seeds)[:, self.design.seed_index]])
        columns = columns[:, seen] / (np.exp(state[0, -1]) * self.rows.relative[0, seen])
        return float(np.sum((inverse @ columns) * columns))

    def _mean(self, states: Array) -> Array:
        mean = np.take(self.bound.value(self.design.depths, *self.curve(states)), self.design.depth_index, axis=1)
        return mean + np.take(states[:, self.size : -1], self.design.seed_index, axis=1) if self.seeds else mean

    def terms(self, states: Array) -> Terms:
        """In units of the relative spread."""
        own = self.rows
        return _tobit(own.y / own.relative, own.signs, self._mean(states) / own.relative, states[:, -1])


def joined(likelihoods: Sequence[Likelihood]) -> Likelihood:
    """The rows of all of them, which have one key."""
    return replace(likelihoods[0], rows=Rows.joined([one.rows for one in likelihoods]))


def _tobit(y: Array, signs: np.ndarray, mean: Array, log_spread: Array) -> Terms:
    log_spread = np.ascontiguousarray(log_spread)[:, None]
    scale = np.exp(log_spread)
    z = (y - mean) / scale
    out = Terms(
        -0.5 * z**2 - _HALF_LOG_2PI - log_spread, z / scale, z**2 - 1, -1 / scale**2 + 0 * z, 0 * z,
        np.full_like(z, -2.0),
    )  # fmt: skip
    hit = np.nonzero(signs)
    side, scale = signs[hit], scale[hit[0], 0]
    v = -side * z[hit]
    hazard, bend = _tail(v)
    out.value[hit] = log_ndtr(v)
    out.m[hit] = side * hazard / scale
    out.e[hit] = -v * hazard
    out.mm[hit] = -bend / scale**2
    out.me[hit] = -side * (hazard - bend * v) / scale
    out.ee[hit] = v * hazard - bend * v**2
    return out


def _tail(v: Array) -> tuple[Array, Array]:
    """Hazard phi(v) / Phi(v) and its negative slope, through erfcx, which holds far out in the tail."""
    hazard = np.sqrt(2 / np.pi) / erfcx(-v / np.sqrt(2))
    return hazard, np.clip(hazard * (hazard + v), 0.0, 1.0)
