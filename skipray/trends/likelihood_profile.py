"""Limits of a censored curve by the profile of its likelihood (Venzon & Moolgavkar 1988).

The limit of a quantity is where the highest likelihood, with the quantity held there, has fallen by what is allowed.
What censored values leave open stays open: the likelihood then never falls so far, and the limit is infinite.

The fall that is allowed. Where the values are seen, the variance is the one that the seeds show (the sandwich over
seeds), with t's quantile on seeds - 1 degrees of freedom, as in uncensored series (`studentised`). Seeds whose values
are all beyond the bound show no variance, however; so the share of the information that censoring took is judged by
the likelihood's own variance, if that is larger. Letters as in `likelihood`; K quantities.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtrit

from skipray.curves import Array
from skipray.trends.fitted import LimitsFound
from skipray.trends.in_step import Ask, Search
from skipray.trends.likelihood import Likelihood
from skipray.trends.newton import Constraint, solve
from skipray.trends.studentised import COVERAGE, shared

TOLERANCE = 0.01
"""Of a limit, relative to its distance from the estimate."""

SEARCH_TOLERANCE = 1e-5
"""Relative to the height, of each maximisation of a search: it moves the fall that is allowed by a few parts in 10,000,
and a limit by far less than TOLERANCE."""

TRIES = 24
"""Steps outward and inward until a limit is taken as infinite or found."""


@dataclass(frozen=True)
class LikelihoodProfile:
    likelihood: Likelihood
    """Restricted: with the degrees of freedom that the fit uses up."""
    state: Array
    """(1, M) the highest."""
    top: float
    """Its height."""
    resamples: int
    seed: int

    def of_parameters(self) -> Search[LimitsFound]:
        size = self.likelihood.size
        depth = np.full(size, self.likelihood.design.depths[0])
        low, high = yield from self._limits(Constraint(self.likelihood, np.arange(size), depth), simultaneous=False)
        for k, limits in enumerate(self.likelihood.bound.free_ranges, self.likelihood.spots):
            if limits.closed:
                ends = self.likelihood.bound.bounds
                place = k - self.likelihood.spots
                low[k], high[k] = max(low[k], ends[0][place]), min(high[k], ends[1][place])
        return low, high

    def of_means(self, at: Array, simultaneous: bool) -> Search[LimitsFound]:
        return self._limits(Constraint(self.likelihood, np.full(len(at), -1), at), simultaneous)

    def _limits(self, constraint: Constraint, simultaneous: bool) -> Search[LimitsFound]:
        rows = np.repeat(self.state, len(constraint.parameter), axis=0)
        estimate = constraint.value(rows)
        fall, reach = self._allowed(constraint.gradient(rows), simultaneous)
        # Both sides of each quantity at once: the calls are what costs.
        count = len(estimate)
        side = np.repeat([-1.0, 1.0], count)
        twice = constraint.of(np.tile(np.arange(count), 2))
        root = np.tile(np.sqrt(fall), 2)
        outward = Outward(self.likelihood, twice, side, self.state, self.top, np.tile(estimate, 2), root)
        limits = yield from outward.limits(np.tile(reach, 2))
        return limits[:count], limits[count:]

    @cached_property
    def _information(self) -> Array:
        """(1, M, M)."""
        return self.likelihood.gradient(self.state)[1]

    @cached_property
    def _freedom(self) -> float:
        """Degrees of freedom of the spread: half of its information (a seen value has 2) less what was spent."""
        return max(float(self._information[0, -1, -1]) / 2 - float(self.likelihood.rows.freedom_spent[0]), 1.0)

    def _allowed(self, normal: Array, simultaneous: bool) -> tuple[Array, Array]:
        """(K,) by how much twice the log-likelihood may fall, and the reach it would mean, were it a parabola; normal
        (K, M) are the quantities' derivatives."""
        lik, design = self.likelihood, self.likelihood.design
        moves = solve(self._information, normal.T[None])[0]  # (M, K)
        variance = np.einsum("km,mk->k", normal, moves)
        own = stdtrit(self._freedom, 0.5 + COVERAGE / 2) ** 2
        excess = np.full(len(normal), own)
        if design.seeds:
            pulls = lik.seed_pulls(self.state) @ moves
            pulls -= pulls.mean(axis=0)
            shown = design.seeds / (design.seeds - 1) * np.sum(pulls**2, axis=0) / np.maximum(variance, 1e-300)
            shown *= stdtrit(design.seeds - 1, 0.5 + COVERAGE / 2) ** 2
            complete = solve(lik.uncensored_information(self.state)[None], normal.T[None])[0]
            taken = np.clip(1 - np.einsum("km,mk->k", normal, complete) / np.maximum(variance, 1e-300), 0.0, 1.0)
            freedom = self._seed_freedom(normal, variance)
            own = stdtrit(freedom, 0.5 + COVERAGE / 2) ** 2
            excess = (1 - taken) * shown + taken * np.maximum(shown, own)
        if simultaneous:
            excess = np.maximum(shared(excess) * self._widening(normal) ** 2, excess)
        # Twice the log-likelihood of a spread known by `freedom` values falls with the logarithm of the squares.
        fall = self._freedom * np.log1p(excess / self._freedom)
        return fall, np.sqrt(excess * np.maximum(variance, 0.0))

    def _seed_freedom(self, normal: Array, variance: Array) -> Array:
        """(K,) degrees of freedom of a variance that is partly the seeds' (Satterthwaite 1946)."""
        lik = self.likelihood
        keep = np.r_[: lik.size, lik.entries - 1]
        without = solve(self._information[:, keep][:, :, keep], normal[:, keep].T[None])[0]
        noise = np.clip(np.einsum("km,mk->k", normal[:, keep], without) / np.maximum(variance, 1e-300), 0.0, 1.0)
        return 1 / ((1 - noise) ** 2 / (lik.design.seeds - 1) + noise**2 / self._freedom)

    def _widening(self, normal: Array) -> float:
        """How much wider limits must be to hold at once, from draws of the estimates' normal law."""
        freedom = self.likelihood.design.seeds - 1 if self.likelihood.design.seeds else self._freedom
        rng = np.random.default_rng(self.seed)
        covariance = solve(self._information, np.eye(normal.shape[1])[None])[0]
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        law = normal @ root
        error = np.maximum(np.linalg.norm(law, axis=1), 1e-300)
        away = np.abs(rng.standard_normal((self.resamples, len(root))) @ law.T) / error
        away /= np.sqrt(rng.chisquare(freedom, self.resamples) / freedom)[:, None]
        single = np.quantile(away, COVERAGE, axis=0).mean()
        return float(np.quantile(away.max(axis=1), COVERAGE) / single)


@dataclass(frozen=True)
class Outward:
    """Outward from the estimates until the likelihood has fallen far enough, for K quantities at once, each to a side
    of its own."""

    likelihood: Likelihood
    constraint: Constraint
    side: Array
    """(K,) -1 or 1."""
    state: Array
    """(1, M)."""
    top: float
    estimate: Array
    """(K,)."""
    root: Array
    """(K,) square root of the fall that is allowed."""

    def limits(self, reach: Array) -> Search[Array]:
        """(K,); reach (K,) is the first guess of their distance."""
        rows = np.arange(len(self.estimate))
        out = self.side * np.inf
        step = np.clip(reach, 1e-9 * self._stride, self._stride)
        begin = (rows, self.estimate, np.zeros(len(rows)), np.repeat(self.state, len(rows), axis=0), step)
        states, depths = [self.state], [np.zeros(1)]
        # A second and third round start from whatever another quantity's search found further out.
        for _ in range(3):
            out[begin[0]] = yield from self._outward(*begin, states, depths)
            begin = self._further(out, np.concatenate(states), np.concatenate(depths))
            if not len(begin[0]):
                break
        return out

    @cached_property
    def _stride(self) -> Array:
        """(K,) longest first step."""
        lik = self.likelihood
        low, high = lik.bound.bounds
        spread = float(np.ptp(lik.rows.y)) or 1.0
        span = np.concatenate([np.zeros(lik.spots), high - low])
        parameter = np.maximum(self.constraint.parameter, 0)
        plain = np.where(
            self.constraint.parameter < 0, 0.5 * spread, np.maximum(0.5 * spread, 0.3 * np.abs(self.estimate))
        )
        return np.where(self.constraint.parameter >= lik.spots, 0.3 * span[parameter], plain)

    @cached_property
    def _ends(self) -> Array:
        """(K,) where a nonlinear parameter's range ends."""
        lik = self.likelihood
        place = np.maximum(self.constraint.parameter - lik.spots, 0)
        low, high = (np.append(ends, 0.0)[place] for ends in lik.bound.bounds)
        ends = np.where(self.side < 0, low, high)
        return np.where(self.constraint.parameter >= lik.spots, ends, self.side * np.inf)

    def _outward(
        self,
        rows: np.ndarray,
        good: Array,
        fallen: Array,
        states: Array,
        step: Array,
        found: list[Array],
        depths: list[Array],
    ) -> Search[Array]:
        """Limits of the quantities `rows`, from points `good` inside, at which the root of the fall is
        `fallen`. What lies inside is added to found and depths."""
        good, fallen, states, step = good.copy(), fallen.copy(), states.copy(), step.copy()
        estimate, root, end = self.estimate[rows], self.root[rows], self._ends[rows]
        sides = self.side[rows]
        bad, deep = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        limit = sides * np.inf
        active = np.arange(len(rows))
        for _ in range(TRIES):
            a = active
            side = sides[a]
            inward = ~np.isnan(bad[a])
            with np.errstate(invalid="ignore"):
                part = np.clip((root[a] - fallen[a]) / (deep[a] - fallen[a]), 0.08, 0.92)
            out = side * np.minimum(side * (good[a] + side * step[a]), side * end[a])
            at = np.where(inward, good[a] + np.nan_to_num(part) * (np.nan_to_num(bad[a]) - good[a]), out)
            of_rows = self.likelihood.repeated(len(a))
            ((moved, height),) = yield [
                Ask(of_rows, states[a], self.constraint.of(rows[a]), at, steps=30, tolerance=SEARCH_TOLERANCE)
            ]
            fall = np.sqrt(np.maximum(2 * (self.top - height), 0.0))
            ok = fall <= root[a]
            g = a[ok]
            found.append(moved[ok])
            depths.append(fall[ok])
            good[g], fallen[g], states[g] = at[ok], fall[ok], moved[ok]
            gone = np.abs(at[ok] - estimate[g])
            # The root of the fall grows about linearly with the distance from the maximum: a step to where that line
            # meets the root that is wanted.
            ahead = gone * (1.05 * root[g] / np.maximum(fall[ok], 1e-9) - 1)
            step[g] = np.clip(ahead, 0.02 * gone, 2.5 * gone)
            bad[a[~ok]], deep[a[~ok]] = at[~ok], fall[~ok]
            near = np.abs(fall - root[a]) < TOLERANCE * root[a]
            width = np.abs(np.nan_to_num(bad[a], nan=np.inf) - good[a])
            narrow = width < 0.5 * TOLERANCE * np.abs(bad[a] - estimate[a])
            limit[a[near]] = at[near]
            done = narrow & ~near
            limit[a[done]] = (bad[a[done]] + good[a[done]]) / 2
            open_end = ok & (at == end[a])
            limit[a[open_end]] = side[open_end] * np.inf
            active = a[~(near | narrow | open_end)]
            if not len(active):
                return limit
        left = active[~np.isnan(bad[active])]
        limit[left] = (bad[left] + good[left]) / 2
        return limit

    def _further(self, limit: Array, states: Array, depths: Array) -> tuple[np.ndarray, Array, Array, Array, Array]:
        """Quantities of which a found state lies clearly beyond the limit, and where to go on from."""
        lik = self.likelihood
        value = states[:, np.maximum(self.constraint.parameter, 0)]
        means = self.constraint.parameter < 0
        value[:, means] = lik.bound.value(self.constraint.depth[means], *lik.curve(states))
        beyond = np.where(depths[:, None] <= 0.95 * self.root, self.side * value, -np.inf)
        best = np.argmax(beyond, axis=0)
        reached = beyond[best, np.arange(len(limit))]
        with np.errstate(invalid="ignore"):
            rows = np.flatnonzero(reached > self.side * limit + 2 * TOLERANCE * np.abs(limit - self.estimate))
        best = best[rows]
        good = value[best, rows]
        return rows, good, depths[best], states[best], 0.3 * np.abs(good - self.estimate[rows])
