"""Which way a curve is fitted: least squares, or likelihood where values are censored."""

import numpy as np

from skipray.curves import Array
from skipray.trends.censoring import fit_censored_curve
from skipray.trends.design import Design
from skipray.trends.fitted import FittedCurve, corrected_akaike
from skipray.trends.projection import BoundCurve, fit


def fit_curve(bound: BoundCurve, design: Design, y: Array, signs: np.ndarray) -> FittedCurve:
    """Estimates of one curve; y and signs are (values,)."""
    if signs.any():
        return fit_censored_curve(bound, design, y, signs)
    means = (design.means @ y)[None]
    found = fit(bound, design.depths, means, design.root)
    squares = float(found.squares[0])
    total = float(design.saturated_squares(y[None])[0]) + squares
    # Series without noise: rounding must not choose the curve.
    total = max(total, 1e-20 * float(np.sum(design.weight * y**2)), 1e-300)
    free = max(design.effective - bound.size, 1)
    return FittedCurve(
        bound,
        found.linear,
        found.inner,
        squares,
        np.sqrt(total / free),
        corrected_akaike(total, design.effective, bound.size),
    )
