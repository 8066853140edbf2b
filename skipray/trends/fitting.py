"""Which way curves are fitted: least squares, or likelihood where values are censored."""

from collections.abc import Sequence

import numpy as np

from skipray.curves import Array
from skipray.trends.censoring import fit_censored_curves
from skipray.trends.design import Design, with_seed_effects
from skipray.trends.fitted import FittedCurve, corrected_akaike
from skipray.trends.projection import BoundCurve, fit
from skipray.trends.squares_profile import SquaresProfile


def fit_curves(
    curves: Sequence[BoundCurve], design: Design, y: Array, signs: np.ndarray, resamples: int, seed: int
) -> list[FittedCurve]:
    """Each curve fitted to one series; y and signs are (values,)."""
    if signs.any():
        return fit_censored_curves(curves, design, y, signs, resamples, seed)
    saturated = float(design.saturated_squares(y[None])[0])
    seeded = with_seed_effects(design, y)
    means = (design.means @ y)[None]
    # Series without noise: rounding must not choose the curve.
    about = y - np.average(y, weights=design.weight)
    least = max(float(np.sum(design.weight * (1e-20 * about**2 + 1e-28 * y**2))), 1e-300)
    fits = []
    for bound in curves:
        found = fit(bound, design.depths, means, design.root)
        squares = float(found.squares[0])
        total = max(saturated + squares, least)
        spread = float(np.sqrt(total / max(design.effective - bound.size, 1)))
        # Where a level is held fixed, the seeds' mean effect would count as lack of fit.
        metric = design if bound.fixed else seeded
        limits = SquaresProfile(bound, metric, y, found.linear, found.inner, spread, resamples, seed)
        criterion = corrected_akaike(total, design.effective, bound.size)
        fits.append(FittedCurve(bound, found.linear, found.inner, squares, spread, criterion, limits))
    return fits
