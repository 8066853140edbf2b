"""Censored series by likelihood: which variances they have, and the estimates of each curve.

The spread of the seed effects and the power of depth that the noise follows belong to the series: they are estimated
once, with the curve that fits best, and kept for all curves. Letters as in `likelihood`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skipray.curves import Array
from skipray.trends.climbing import climb, solve
from skipray.trends.design import VARIANCE_PRIOR, Design
from skipray.trends.fitted import FittedCurve
from skipray.trends.likelihood import Likelihood
from skipray.trends.likelihood_profile import LikelihoodProfile
from skipray.trends.projection import BoundCurve, fit

LEAST_SEED_SHARE = 0.02
"""Seed effects below this share of the noise's spread are taken as none."""

POWERS = np.linspace(-3.0, 3.0, 7)
"""Where the power of depth that the noise's variance follows is looked for."""


def fit_censored_curves(
    curves: Sequence[BoundCurve], design: Design, y: Array, signs: np.ndarray, resamples: int, seed: int
) -> list[FittedCurve]:
    """Restricted maximum-likelihood estimates of each curve, in their order; y and signs are (values,)."""
    plain = [Likelihood(bound, design, y, signs) for bound in curves]
    starts = [_from_everywhere(likelihood) for likelihood in plain]
    scores = [_criterion(one, state) for one, state in zip(plain, starts, strict=True)]
    best = int(np.argmin(scores))
    seed_spread, power = _variances(plain[best], starts[best])
    ready = [replace(one, seed_spread=seed_spread, power=power) for one in plain]
    return [_fitted(one, state, resamples, seed) for one, state in zip(ready, starts, strict=True)]


def _from_everywhere(likelihood: Likelihood) -> Array:
    """(1, M) the highest state without seed effects. The likelihood can have several maxima: it is climbed from all
    over the ranges, from least squares at face value."""
    bound, design, y = likelihood.bound, likelihood.design, likelihood.y
    grid = bound.grid(thinning=4) if bound.nonlinear else np.empty((0, 1))
    counts = np.bincount(design.depth_index)
    means = np.repeat((np.bincount(design.depth_index, y) / counts)[None], grid.shape[1], axis=0)
    first = fit(bound, design.depths, means, np.diag(np.sqrt(counts)), start=grid, iterations=1)
    about = y - bound.value(design.depths, first.linear, first.inner)[:, design.depth_index]
    spread = np.maximum(np.log(np.sqrt(np.mean(about**2, axis=1)) + 1e-300), likelihood.least_spread)
    states, heights = climb(likelihood, np.column_stack([first.linear.T, first.inner.T, spread]), tolerance=1e-8)
    best = int(np.argmax(heights))
    return states[best : best + 1]


def _variances(likelihood: Likelihood, state: Array) -> tuple[float, float]:
    """Spread of the seed effects and power of the noise, in turns."""
    spread, power = 0.0, 0.0
    for _ in range(2):
        current = replace(likelihood, power=power)
        spread, state = _seed_spread(current, state)
        power = _power(replace(current, seed_spread=spread), state)
    return spread, power


def _seed_spread(likelihood: Likelihood, state: Array) -> tuple[float, Array]:
    """Restricted maximum likelihood of the seed effects' spread by Harville's fixed point (1977), and the state."""
    noise = float(np.exp(state[0, -1]))
    spread, least = 0.7 * noise, 0.1 * LEAST_SEED_SHARE * noise
    if not likelihood.design.clusters:
        return 0.0, state
    for _ in range(25):
        current = replace(likelihood, seed_spread=spread)
        state = _restricted(current, _with_seeds(current, state))[1]
        inverse = _inverse(current, state)
        own = np.arange(current.size, current.size + current.seeds)
        known = current.seeds - float(np.sum(np.minimum(inverse[own, own] / spread**2, 0.999)))
        found = float(np.sqrt(np.sum(state[0, own] ** 2) / known))
        arrived = abs(found - spread) < 0.01 * spread
        spread = max(found, least)
        if arrived or found <= least:
            break
    if spread < LEAST_SEED_SHARE * float(np.exp(state[0, -1])):
        return 0.0, state
    return spread, state


def _power(likelihood: Likelihood, state: Array) -> float:
    """The power of depth that the noise's variance follows: highest likelihood, with a normal prior about 0."""
    likelihood, state, _ = _restricted(likelihood, state)
    heights = np.array([climb(replace(likelihood, power=p), state)[1][0] for p in POWERS])
    heights -= 0.5 * (POWERS / VARIANCE_PRIOR) ** 2
    best = int(np.clip(np.argmax(heights), 1, len(POWERS) - 2))
    # The vertex of a parabola through the highest three.
    before, top, after = heights[best - 1 : best + 2]
    bend = before - 2 * top + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(POWERS[best] + (POWERS[1] - POWERS[0]) * np.clip(shift, -1.0, 1.0))


def _with_seeds(likelihood: Likelihood, state: Array) -> Array:
    """The state with as many seed effects as the likelihood has."""
    seeds = state[:, likelihood.size : -1]
    if seeds.shape[1] != likelihood.seeds:
        seeds = np.zeros((len(state), likelihood.seeds))
    return np.concatenate([state[:, : likelihood.size], seeds, state[:, -1:]], axis=1)


def _restricted(likelihood: Likelihood, state: Array) -> tuple[Likelihood, Array, float]:
    """The likelihood with the degrees of freedom that the fit uses up, its highest state (1, M) and the height."""
    state, height = climb(likelihood, _with_seeds(likelihood, state))
    seen = int(np.sum(likelihood.signs == 0))
    for _ in range(2):
        used = likelihood.determined(state, _inverse(likelihood, state))
        likelihood = replace(likelihood, freedom_spent=min(used, max(seen - 1.5, 0.0)))
        state, height = climb(likelihood, state)
    return likelihood, state, float(height[0])


def _inverse(likelihood: Likelihood, state: Array) -> Array:
    """(M - 1, M - 1) covariance of curve and seed effects."""
    information = likelihood.gradient(state)[1][:, :-1, :-1]
    return solve(information, np.eye(information.shape[-1])[None])[0]


def _criterion(likelihood: Likelihood, state: Array) -> float:
    """Corrected Akaike criterion; infinite where there are too few values for it."""
    seen = int(np.sum(likelihood.signs == 0))
    height = float(climb(likelihood, state)[1][0])
    used = 0.0
    if likelihood.seeds:
        own = np.arange(likelihood.size, likelihood.entries - 1)
        used = likelihood.seeds - float(np.sum(_inverse(likelihood, state)[own, own])) / likelihood.seed_spread**2
    k = likelihood.size + 1
    spare = len(likelihood.y) - used - k - 1
    return -2 * height + 2 * k + 2 * k * (k + 1) / spare if spare > 0 and seen > likelihood.size else float("inf")


def _fitted(likelihood: Likelihood, state: Array, resamples: int, seed: int) -> FittedCurve:
    state = climb(likelihood, _with_seeds(likelihood, state))[0]
    criterion = _criterion(likelihood, state)
    restricted, state, _ = _restricted(likelihood, state)
    linear, inner = restricted.curve(state)
    limits = LikelihoodProfile(restricted, state, resamples, seed)
    return FittedCurve(restricted.bound, linear, inner, float("nan"), float(np.exp(state[0, -1])), criterion, limits)
