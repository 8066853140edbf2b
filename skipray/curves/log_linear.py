"""A line in the logarithm of depth: value = intercept + slope * ln(depth). Every doubling changes the same amount."""

import numpy as np

from skipray.curves import Array, Range

LINEAR = {
    "intercept": "the value at depth 1, in the value's unit",
    "slope": "change for each factor e in depth, in the value's unit; times ln 2 for a doubling",
}
NONLINEAR: dict[str, str] = {}
FORMULA = "intercept + slope * log(depth)"
EXAMPLE = {"intercept": 1.0, "slope": 0.7}


def ranges(depth: Array) -> tuple[Range, ...]:
    return ()


def basis(depth: Array, nonlinear: Array) -> Array:
    resamples = nonlinear.shape[1]
    return np.stack([np.ones((resamples, len(depth))), np.broadcast_to(np.log(depth), (resamples, len(depth)))])
