"""A straight line: value = intercept + slope * depth. A quantity that every further layer changes by the same
amount."""

import numpy as np

from skipray.curves import Array, Range

LINEAR = {
    "intercept": "the value extrapolated to depth 0, in the value's unit",
    "slope": "change per layer, in the value's unit / layer",
}
NONLINEAR: dict[str, str] = {}
FORMULA = "intercept + slope * depth"
EXAMPLE = {"intercept": 1.0, "slope": -0.03}


def ranges(depth: Array) -> tuple[Range, ...]:
    return ()


def basis(depth: Array, nonlinear: Array) -> Array:
    resamples = nonlinear.shape[1]
    return np.stack([np.ones((resamples, len(depth))), np.broadcast_to(depth, (resamples, len(depth)))])
