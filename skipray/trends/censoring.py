"""Censored values by likelihood (Tobin 1958): a value that is only known to lie beyond its bound counts as the
probability of lying there, instead of being dropped or taken at face value.

The likelihood is that of each value by itself, with one spread for noise and seed effects together; what values of one
seed have in common enters through the sandwich over seeds (a composite likelihood: Varin, Reid & Firth 2011). A few EM
steps (impute the expected values, fit by variable projection) lead to Newton's method. Axis letters: R resamples,
N values, D depths, P parameters of the curve, S seeds.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import erfcx, log_ndtr

from skipray.curves import Array
from skipray.trends.design import Design
from skipray.trends.fitted import FittedCurve, Resamples
from skipray.trends.projection import BoundCurve, fit

_HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))


@dataclass(frozen=True)
class _State:
    linear: Array
    """(L, R)."""
    inner: Array
    """(Q, R)."""
    log_spread: Array
    """(R,)."""


@dataclass(frozen=True)
class _Terms:
    """Log-likelihood of each value and its derivatives in the mean m and in e = log spread, each (R, N)."""

    value: Array
    m: Array
    e: Array
    mm: Array
    me: Array
    ee: Array


def fit_censored_curve(bound: BoundCurve, design: Design, y: Array, signs: np.ndarray) -> FittedCurve:
    """Maximum-likelihood estimates of one curve; y and signs are (values,)."""
    grid = bound.grid(thinning=4) if bound.nonlinear else np.empty((0, 1))
    values, sides = np.repeat(y[None], grid.shape[1], axis=0), np.repeat(signs[None], grid.shape[1], axis=0)
    # The likelihood can have several maxima: climb from all over the ranges, keep the highest.
    start = _at_face_value(bound, design, values, grid)
    states, heights = _maximise(bound, design, values, sides, start, em_steps=10, newton_steps=60)
    best = [int(np.argmax(heights))]
    likelihood = heights[best]
    state = _State(states.linear[:, best], states.inner[:, best], states.log_spread[best])
    count, k = len(y), bound.size + 1
    spare = count - k - 1
    criterion = -2 * float(likelihood[0]) + 2 * k + 2 * k * (k + 1) / spare if spare > 0 else float("inf")
    unbiased = np.sqrt(count / max(count - bound.size, 1))
    spread = float(np.exp(state.log_spread[0]) * unbiased)
    return FittedCurve(bound, state.linear, state.inner, float("nan"), spread, criterion)


def resample_censored(
    fitted: FittedCurve, design: Design, y: Array, signs: np.ndarray, standard: Array, seeds: Array
) -> FittedCurve:
    """The curve with its bootstrap: noise (R, N) of spread 1, seed effects (R, N), censored at the series' own
    bounds."""
    bound = fitted.bound
    # The fitted spread holds noise and seed effects; what is not the seeds' is the noise's.
    between = min(float(np.var(seeds)), 0.8 * fitted.spread**2)
    shrink = np.sqrt(between / max(float(np.var(seeds)), 1e-300))
    noise = shrink * seeds + np.sqrt(fitted.spread**2 - between) * standard
    truth = bound.value(design.depths, fitted.linear, fitted.inner)[:, design.depth_index] + noise
    values, again = _censor(truth, y, signs, design)
    start = _State(
        np.repeat(fitted.linear, len(noise), axis=1),
        np.repeat(fitted.inner, len(noise), axis=1),
        np.full(len(noise), np.log(fitted.spread)),
    )
    state, _ = _maximise(bound, design, values, again, start, em_steps=3, newton_steps=10)
    one = _State(fitted.linear, fitted.inner, np.array([np.log(fitted.spread)]))
    return replace(
        fitted,
        resamples=Resamples(
            covariance=_covariance(bound, design, y[None], signs[None], one)[0],
            linear=state.linear,
            inner=state.inner,
            covariances=_covariance(bound, design, values, again, state),
            pivot=None,
        ),
    )


def _censor(truth: Array, y: Array, signs: np.ndarray, design: Design) -> tuple[Array, np.ndarray]:
    """Apply the series' bounds to new values. A value that was seen has the bound of the nearest depth's censored one,
    but at least its own value: it would have been seen there."""
    depth = design.depths[design.depth_index]
    values, again = truth.copy(), np.zeros(truth.shape, dtype=int)
    for side in (-1, 1):
        there = np.flatnonzero(signs == side)
        if not len(there):
            continue
        nearest = there[np.argmin(np.abs(np.log(depth[:, None] / depth[there])), axis=1)]
        limit = np.where(signs == side, y, side * np.maximum(side * y[nearest], side * y))
        hit = side * truth > side * limit
        values, again = np.where(hit, limit, values), np.where(hit, side, again)
    return values, again


def _at_face_value(bound: BoundCurve, design: Design, y: Array, inner: Array) -> _State:
    """Least squares at given nonlinear parameters (Q, R), as if nothing were censored."""
    counts = np.bincount(design.depth_index).astype(float)
    means = y @ np.eye(len(counts))[design.depth_index] / counts
    first = fit(bound, design.depths, means, np.diag(np.sqrt(counts)), start=inner, iterations=1)
    about = y - bound.value(design.depths, first.linear, first.inner)[:, design.depth_index]
    return _State(first.linear, first.inner, np.log(np.maximum(np.sqrt(np.mean(about**2, axis=1)), _floor(y))))


def _floor(y: Array) -> float:
    """Smallest spread that is told from none."""
    return 1e-9 * (1.0 + float(np.abs(y).max()))


def _maximise(
    bound: BoundCurve,
    design: Design,
    y: Array,
    signs: np.ndarray,
    state: _State,
    *,
    em_steps: int,
    newton_steps: int,
) -> tuple[_State, Array]:
    """Maximum likelihood for each row of y (R, N) from a state; the states and the log-likelihoods (R,)."""
    counts = np.bincount(design.depth_index).astype(float)
    indicator = np.eye(len(counts))[design.depth_index]
    root = np.diag(np.sqrt(counts))
    for _ in range(em_steps):
        mean = bound.value(design.depths, state.linear, state.inner)[:, design.depth_index]
        full, spare = _impute(y, signs, mean, np.exp(state.log_spread))
        found = fit(bound, design.depths, full @ indicator / counts, root, start=state.inner, iterations=3)
        mean = bound.value(design.depths, found.linear, found.inner)[:, design.depth_index]
        squares = np.sum((full - mean) ** 2 + spare, axis=1) / y.shape[1]
        state = _State(found.linear, found.inner, 0.5 * np.log(np.maximum(squares, _floor(y) ** 2)))
    return _newton(bound, design, y, signs, state, newton_steps)


def _tail(v: Array) -> tuple[Array, Array]:
    """Hazard phi(v) / Phi(v) and its negative slope, through erfcx, which holds far out in the tail."""
    hazard = np.sqrt(2 / np.pi) / erfcx(-v / np.sqrt(2))
    return hazard, np.clip(hazard * (hazard + v), 0.0, 1.0)


def _impute(y: Array, signs: np.ndarray, mean: Array, spread: Array) -> tuple[Array, Array]:
    """Expected value of each censored value, and its remaining variance (both (R, N))."""
    full, spare = y.copy(), np.zeros_like(y)
    hit = np.nonzero(signs)
    side, scale = signs[hit], spread[hit[0]]
    hazard, bend = _tail(-side * (y[hit] - mean[hit]) / scale)
    full[hit] = mean[hit] + side * scale * hazard
    spare[hit] = scale**2 * np.clip(1 - bend, 0.0, 1.0)
    return full, spare


def _terms(y: Array, signs: np.ndarray, mean: Array, log_spread: Array) -> _Terms:
    scale = np.exp(log_spread)[:, None]
    z = (y - mean) / scale
    out = _Terms(
        -0.5 * z**2 - _HALF_LOG_2PI - log_spread[:, None], z / scale, z**2 - 1, -1 / scale**2 + 0 * z, -2 * z / scale,
        -2 * z**2,
    )  # fmt: skip
    hit = np.nonzero(signs)
    side, s = signs[hit], scale[hit[0], 0]
    v = -side * z[hit]
    hazard, bend = _tail(v)
    out.value[hit] = log_ndtr(v)
    out.m[hit] = side * hazard / s
    out.e[hit] = -v * hazard
    out.mm[hit] = -bend / s**2
    out.me[hit] = -side * (hazard - bend * v) / s
    out.ee[hit] = v * hazard - bend * v**2
    return out


def _information(design: Design, terms: _Terms, slopes: Array) -> Array:
    """(R, P + 1, P + 1) observed information, the last row for the log spread; the curve's own bend left out."""
    indicator = np.eye(len(design.depths))[design.depth_index]
    size = len(slopes) + 1
    out = np.empty((slopes.shape[1], size, size))
    out[:, :-1, :-1] = np.einsum("prd,rd,qrd->rpq", slopes, -terms.mm @ indicator, slopes, optimize=True)
    out[:, :-1, -1] = out[:, -1, :-1] = np.einsum("prd,rd->rp", slopes, -terms.me @ indicator)
    out[:, -1, -1] = -terms.ee.sum(axis=1)
    return out


def _newton(
    bound: BoundCurve, design: Design, y: Array, signs: np.ndarray, state: _State, steps: int
) -> tuple[_State, Array]:
    """Newton's method with Levenberg's damping, each resample with its own."""
    linear, inner, log_spread = state.linear.copy(), state.inner.copy(), state.log_spread.copy()
    low, high = bound.bounds
    indicator = np.eye(len(design.depths))[design.depth_index]
    damping = np.full(len(y), 1e-4)
    best = np.full(len(y), -np.inf)
    active = np.arange(len(y))
    trial = (linear, inner, log_spread)
    for _ in range(steps + 1):
        w, q, e = (t[..., active] for t in trial)
        mean = bound.value(design.depths, w, q)[:, design.depth_index]
        likelihood = _terms(y[active], signs[active], mean, e).value.sum(axis=1)
        better = likelihood > best[active]
        rows = active[better]
        gain = likelihood[better] - best[rows]
        best[rows] = likelihood[better]
        linear[:, rows], inner[:, rows], log_spread[rows] = w[:, better], q[:, better], e[better]
        damping[active] *= np.where(better, 0.1, 10.0)
        going = damping[active] < 1e8
        going[np.flatnonzero(better)[gain < 1e-11 * (1 + np.abs(best[rows]))]] = False
        active = active[going]
        if not len(active):
            break
        w, q, e = linear[:, active], inner[:, active], log_spread[active]
        mean = bound.value(design.depths, w, q)[:, design.depth_index]
        terms = _terms(y[active], signs[active], mean, e)
        slopes = bound.jacobian(design.depths, w, q)
        information = _information(design, terms, slopes)
        gradient = np.concatenate(
            [np.einsum("prd,rd->rp", slopes, terms.m @ indicator), terms.e.sum(axis=1)[:, None]], axis=1
        )
        scale = np.sqrt(np.maximum(np.abs(np.einsum("rpp->rp", information)), 1e-300))
        scaled = information / scale[:, :, None] / scale[:, None, :]
        scaled += (damping[active][:, None, None] + 1e-12) * np.eye(scaled.shape[-1])
        step = np.linalg.solve(scaled, (gradient / scale)[:, :, None])[:, :, 0] / scale
        size = bound.size
        spots = len(bound.linear)
        trial = (linear.copy(), inner.copy(), log_spread.copy())
        trial[0][:, active] += step[:, :spots].T
        trial[1][:, active] = np.clip(q + step[:, spots:size].T, low[:, None], high[:, None])
        trial[2][active] += np.clip(step[:, size], -1.0, 1.0)
    return _State(linear, inner, log_spread), best


def _covariance(bound: BoundCurve, design: Design, y: Array, signs: np.ndarray, state: _State) -> Array:
    """(R, P, P): the sandwich over seeds, or without seeds the inverse information with the spread's bias removed."""
    slopes = bound.jacobian(design.depths, state.linear, state.inner)
    mean = bound.value(design.depths, state.linear, state.inner)[:, design.depth_index]
    terms = _terms(y, signs, mean, state.log_spread)
    information = _information(design, terms, slopes)
    scale = np.sqrt(np.maximum(np.abs(np.einsum("rpp->rp", information)), 1e-300))
    scaled = information / scale[:, :, None] / scale[:, None, :] + 1e-12 * np.eye(bound.size + 1)
    if not design.clusters:
        inverse = np.linalg.inv(scaled) / scale[:, :, None] / scale[:, None, :]
        count = y.shape[1]
        return inverse[:, :-1, :-1] * count / max(count - bound.size, 1)
    depths = np.eye(len(design.depths))[design.depth_index]
    moves = []
    for s in range(design.clusters):
        own = design.seed_index == s
        pull = np.concatenate(
            [np.einsum("prd,rd->rp", slopes, terms.m[:, own] @ depths[own]), terms.e[:, own].sum(axis=1)[:, None]],
            axis=1,
        )
        moves.append(np.linalg.solve(scaled, (pull / scale)[:, :, None])[:, :, 0] / scale)
    stacked = np.stack(moves)[:, :, :-1]
    stacked = stacked - stacked.mean(axis=0)
    return design.clusters / (design.clusters - 1) * np.einsum("srp,srq->rpq", stacked, stacked)
