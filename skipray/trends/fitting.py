"""Curves fitted to many series: by least squares, or by likelihood where values are censored.

Series over the same depths are fitted at once: of a series alone, the calls are what costs.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from skipray.curves import Array
from skipray.trends.bound_curve import BoundCurve
from skipray.trends.censoring import fit_censored_curves
from skipray.trends.design import Design, with_seed_effects
from skipray.trends.fitted import FittedCurve, corrected_akaike
from skipray.trends.in_step import in_step
from skipray.trends.projection import Fit, fit
from skipray.trends.squares_profile import SquaresProfile


@dataclass(frozen=True)
class Observed:
    """A series with the curves that may be fitted to it."""

    curves: tuple[BoundCurve, ...]
    design: Design
    y: Array
    """(values,) in a unit that keeps their squares finite."""
    signs: np.ndarray
    """(values,) -1 where the truth is below the value, 1 where it is above, 0 where it is the value."""


def fit_curves(series: Sequence[Observed], resamples: int, seed: int) -> list[list[FittedCurve]]:
    """For each series its curves, fitted, in their order."""
    found = _least_squares([one for one in series if not one.signs.any()])
    censored = iter(
        in_step(
            [
                fit_censored_curves(one.curves, one.design, one.y, one.signs, resamples, seed)
                for one in series
                if one.signs.any()
            ]
        )
    )
    return [next(censored) if one.signs.any() else _judged(one, next(found), resamples, seed) for one in series]


def left_out_errors(fits: Sequence[tuple[FittedCurve, Observed]]) -> list[float | None]:
    """Of each fit the root mean square error at a depth whose values are left out, in the values' unit; None where a
    fit needs every depth, and of censored series."""
    out: list[float | None] = [None] * len(fits)
    able = [i for i, (f, s) in enumerate(fits) if len(s.design.depths) > f.bound.size and not s.signs.any()]
    for places in _alike([(fits[i][0].bound, fits[i][1].design) for i in able]):
        rows = [fits[able[place]] for place in places]
        bound, depths = rows[0][0].bound, rows[0][1].design.depths
        count = len(depths)
        means = np.array([s.design.means @ s.y for _, s in rows])
        left = fit(
            bound,
            depths,
            np.repeat(means, count, axis=0),
            np.repeat([s.design.root for _, s in rows], count, axis=0),
            start=np.repeat(np.concatenate([f.inner for f, _ in rows], axis=1), count, axis=1),
            mask=np.tile(1.0 - np.eye(count), (len(rows), 1)),
            iterations=8,
            tolerance=1e-4,
        )
        guess = bound.value(depths, left.linear, left.inner).reshape(len(rows), count, count)
        away = np.diagonal(guess, axis1=1, axis2=2) - means
        for place, error in zip(places, np.sqrt(np.mean(away**2, axis=1)), strict=True):
            out[able[place]] = float(error)
    return out


def _least_squares(series: Sequence[Observed]) -> Iterator[list[Fit]]:
    """Each series' fits, in the order of its curves."""
    wanted = [(bound, one) for one in series for bound in one.curves]
    found: dict[int, Fit] = {}
    for alike in _alike([(bound, one.design) for bound, one in wanted]):
        bound, rows = wanted[alike[0]][0], [wanted[place][1] for place in alike]
        means = np.array([one.design.means @ one.y for one in rows])
        fits = fit(bound, rows[0].design.depths, means, np.array([one.design.root for one in rows]))
        for row, place in enumerate(alike):
            own = slice(row, row + 1)
            found[place] = Fit(fits.linear[:, own], fits.inner[:, own], fits.squares[own])
    places = iter(range(len(wanted)))
    return iter([[found[next(places)] for _ in one.curves] for one in series])


def _alike(wanted: Sequence[tuple[BoundCurve, Design]]) -> list[list[int]]:
    """Positions of what is the same curve over the same depths, in metrics of one shape: a series alone would be
    fitted with the same steps."""
    groups: dict[Hashable, list[int]] = {}
    for place, (bound, design) in enumerate(wanted):
        curve = (bound.name, bound.ranges, tuple(sorted(bound.fixed.items())))
        diagonal = np.count_nonzero(design.root) == len(design.depths)
        key = (*curve, design.depths.tobytes(), diagonal)
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def _judged(one: Observed, found: Sequence[Fit], resamples: int, seed: int) -> list[FittedCurve]:
    """The curves of one series with their criterion and limits."""
    design, y = one.design, one.y
    saturated = float(design.saturated_squares(y[None])[0])
    seeded = with_seed_effects(design, y)
    # Series without noise: rounding must not choose the curve.
    about = y - np.average(y, weights=design.weight)
    least = max(float(np.sum(design.weight * (1e-20 * about**2 + 1e-28 * y**2))), 1e-300)
    fits = []
    for bound, fitted in zip(one.curves, found, strict=True):
        squares = float(fitted.squares[0])
        total = max(saturated + squares, least)
        spread = float(np.sqrt(total / max(design.effective - bound.size, 1)))
        # Where a level is held fixed, the seeds' mean effect would count as lack of fit.
        metric = design if bound.fixed else seeded
        limits = SquaresProfile(bound, metric, y, fitted.linear, fitted.inner, spread, resamples, seed)
        criterion = corrected_akaike(total, design.effective, bound.size)
        fits.append(FittedCurve(bound, fitted.linear, fitted.inner, squares, criterion, limits))
    return fits
