"""Censored series by likelihood: which variances they have, and the estimates of each curve.

The spread of the seed effects and the power of depth that the noise follows belong to the series: they are estimated
once, with the curve that fits best, and kept for all curves. Letters as in `likelihood`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from skipray.curves import Array
from skipray.trends.bound_curve import BoundCurve
from skipray.trends.design import Design
from skipray.trends.fitted import FittedCurve, LimitsFound
from skipray.trends.in_step import Answer, Ask, Search
from skipray.trends.likelihood import Likelihood
from skipray.trends.likelihood_profile import LikelihoodProfile
from skipray.trends.newton import solve
from skipray.trends.projection import fit
from skipray.trends.variances import VARIANCE_PRIOR

LEAST_SEED_SHARE = 0.02
"""Seed effects below this share of the noise's spread are taken as none."""

TURNS = 25
"""At most so many turns between seed effects and noise."""

POWERS = np.linspace(-4.0, 4.0, 81)
"""Where the power of depth that the noise's variance follows is looked for."""


def fit_censored_curves(
    curves: Sequence[BoundCurve], design: Design, y: Array, signs: np.ndarray, resamples: int, seed: int
) -> Search[list[FittedCurve]]:
    """Maximum-likelihood estimates of each curve, in their order; y and signs are (values,)."""
    plain = [Likelihood.of_series(bound, design, y, signs) for bound in curves]
    peaks = yield from _from_everywhere(plain)
    scores = [_criterion(one, state, float(height[0])) for one, (state, height) in zip(plain, peaks, strict=True)]
    best = int(np.argmin(scores))
    variances = yield from _variances(plain[best], peaks[best][0])
    varying = [one.varying(*variances) for one in plain]
    found = yield [Ask(one, _with_seeds(one, peak)) for one, (peak, _) in zip(varying, peaks, strict=True)]
    fits = []
    for one, (state, height) in zip(varying, found, strict=True):
        linear, inner = one.curve(state)
        limits = CensoredLimits(one, state, resamples, seed)
        criterion = _criterion(one, state, float(height[0]))
        fits.append(FittedCurve(one.bound, linear, inner, float("nan"), criterion, limits))
    return fits


@dataclass(frozen=True)
class CensoredLimits:
    """The limits of a curve, from the restricted likelihood: the plain one takes the noise for smaller than it is. Only
    curves with a say in predictions are asked for them."""

    likelihood: Likelihood
    state: Array
    """(1, M) the highest of the plain likelihood."""
    resamples: int
    seed: int
    _profile: list[LikelihoodProfile] = field(default_factory=list, repr=False, compare=False)
    """Once it was asked for."""

    def of_parameters(self) -> Search[LimitsFound]:
        profile = yield from self._profiled()
        return (yield from profile.of_parameters())

    def of_means(self, at: Array, simultaneous: bool) -> Search[LimitsFound]:
        profile = yield from self._profiled()
        return (yield from profile.of_means(at, simultaneous))

    def _profiled(self) -> Search[LikelihoodProfile]:
        if not self._profile:
            likelihood, state = self.likelihood, self.state
            for _ in range(2):
                likelihood = _restricted(likelihood, state)
                ((state, _),) = yield [Ask(likelihood, state)]
            ((_, top),) = yield [Ask(likelihood, state)]
            self._profile.append(LikelihoodProfile(likelihood, state, float(top[0]), self.resamples, self.seed))
        return self._profile[0]


def _from_everywhere(likelihoods: Sequence[Likelihood]) -> Search[list[Answer]]:
    """Of each the highest state (1, M) without seed effects, and its height. A likelihood can have several maxima: it
    is maximised from all over the ranges, from least squares at face value."""
    starts = [_starts(one) for one in likelihoods]
    rough = yield [
        Ask(one.repeated(len(states)), states, steps=30, tolerance=1e-5)
        for one, states in zip(likelihoods, starts, strict=True)
    ]
    best = [states[[int(np.argmax(heights))]] for states, heights in rough]
    return (yield [Ask(one, state) for one, state in zip(likelihoods, best, strict=True)])


def _starts(likelihood: Likelihood) -> Array:
    """(R, M)."""
    bound, design, y = likelihood.bound, likelihood.design, likelihood.rows.y[0]
    grid = bound.grid(thinning=4) if bound.nonlinear else np.empty((0, 1))
    counts = np.bincount(design.depth_index)
    means = np.repeat((np.bincount(design.depth_index, y) / counts)[None], grid.shape[1], axis=0)
    first = fit(bound, design.depths, means, np.diag(np.sqrt(counts)), start=grid, iterations=1)
    about = y - bound.value(design.depths, first.linear, first.inner)[:, design.depth_index]
    spread = np.maximum(0.5 * np.log(np.mean(about**2, axis=1) + 1e-300), likelihood.rows.least_spread)
    return np.column_stack([first.linear.T, first.inner.T, spread])


def _variances(likelihood: Likelihood, state: Array) -> Search[tuple[float, float]]:
    """Spread of the seed effects and power of the noise, in turns until the spread stands: restricted maximum
    likelihood, the spread by Harville's fixed point (1977)."""
    seeds = likelihood.design.seeds
    # With a value per seed, seed effects are not told from noise.
    seeded = seeds > 0 and len(likelihood.design.depth_index) >= seeds + 2
    noise, power = float(np.exp(state[0, -1])), 0.0
    spread, least = (0.7 * noise if seeded else 0.0), 0.1 * LEAST_SEED_SHARE * noise
    for _ in range(TURNS):
        likelihood = _restricted(likelihood.varying(spread, power), state)
        ((state, _),) = yield [Ask(likelihood, _with_seeds(likelihood, state), steps=6, tolerance=1e-6)]
        power = _power(likelihood, state)
        if not spread:
            continue
        likelihood = likelihood.varying(spread, power)
        own = slice(likelihood.size, -1)
        error = np.diag(_inverse(likelihood, state))[likelihood.size :]
        known = likelihood.seeds - float(np.sum(np.minimum(error / spread**2, 0.999)))
        found = float(np.sqrt(np.sum(state[0, own] ** 2) / known))
        arrived, spread = abs(found - spread) < 0.02 * spread, max(found, least)
        if arrived or spread == least:
            break
    return (spread if spread >= LEAST_SEED_SHARE * float(np.exp(state[0, -1])) else 0.0), power


def _power(likelihood: Likelihood, state: Array) -> float:
    """The power of depth that the noise's variance follows, by the chi-square likelihood of the expected squares with a
    normal prior about 0."""
    squares = likelihood.expected_squares(state)[0]
    log_depth = np.log(likelihood.design.depths)
    log_depth = (log_depth - log_depth.mean())[likelihood.design.depth_index]
    count = len(squares) - float(likelihood.rows.freedom_spent[0])
    share = count / len(squares)
    height = -0.5 * share * POWERS * np.sum(log_depth)
    height -= 0.5 * count * np.log(np.exp(-POWERS[:, None] * log_depth) @ squares)
    return float(POWERS[np.argmax(height - 0.5 * (POWERS / VARIANCE_PRIOR) ** 2)])


def _with_seeds(likelihood: Likelihood, state: Array) -> Array:
    """The state with as many seed effects as the likelihood has."""
    seeds = state[:, likelihood.size : -1]
    if seeds.shape[1] != likelihood.seeds:
        seeds = np.zeros((len(state), likelihood.seeds))
    return np.concatenate([state[:, : likelihood.size], seeds, state[:, -1:]], axis=1)


def _restricted(likelihood: Likelihood, state: Array) -> Likelihood:
    """The likelihood that spends the degrees of freedom which curve and seeds use up at a state (1, M)."""
    state = _with_seeds(likelihood, state)
    seen = int(np.sum(likelihood.rows.signs == 0))
    used = likelihood.determined(state, _inverse(likelihood, state))
    return likelihood.spending(min(used, max(seen - 1.5, 0.0)))


def _inverse(likelihood: Likelihood, state: Array) -> Array:
    """(M - 1, M - 1) covariance of curve and seed effects."""
    information = likelihood.gradient(state)[1][:, :-1, :-1]
    return solve(information, np.eye(information.shape[-1])[None])[0]


def _criterion(likelihood: Likelihood, state: Array, height: float) -> float:
    """Corrected Akaike criterion; infinite where there are too few values for it."""
    used = 0.0
    if likelihood.seeds:
        error = np.diag(_inverse(likelihood, state))[likelihood.size :]
        used = likelihood.seeds - float(np.sum(error)) / float(likelihood.rows.seed_spread[0]) ** 2
    k = likelihood.size + 1
    spare = len(likelihood.design.depth_index) - used - k - 1
    return -2 * height + 2 * k + 2 * k * (k + 1) / spare if spare > 0 else float("inf")
