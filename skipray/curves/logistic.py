"""A threshold in the logarithm of depth, between two free levels.

value = shallow + (deep - shallow) / (1 + (depth / midpoint) ** -steepness)

A property that networks have up to some depth and lose beyond it. Both levels are free: accuracy falls from what the
data set allows to chance, not from 1 to 0.
"""

import numpy as np
from scipy.special import expit

from skipray.curves import Array, Range

LINEAR = {
    "shallow": "level of shallow networks, in the value's unit",
    "deep": "level of deep networks, in the value's unit",
}
LEVELS = ("shallow", "deep")
NONLINEAR = {
    "midpoint": "depth at which half of the change has happened, in layers",
    "steepness": "slope of the log-odds in ln(depth), no unit; the change takes a factor exp(4.4 / steepness) in depth",
}
FORMULA = "shallow + (deep - shallow) / (1 + (depth / midpoint) ** -steepness)"
EXAMPLE = {"shallow": 0.98, "deep": 0.1, "midpoint": 41.0, "steepness": 4.0}


def ranges(depth: Array) -> tuple[Range, ...]:
    log_depth = np.log(depth)
    span = log_depth[-1] - log_depth[0]
    gap = float(np.min(np.diff(log_depth)))
    return (
        # Up to 10 times outside the depths tried, where only one shoulder is seen.
        Range(float(depth[0] / 10), float(depth[-1] * 10), "log", points=28),
        # From a shoulder as wide as the whole span to a step within the narrowest gap.
        Range(float(1.0 / span), float(max(8.0 / gap, 16.0 / span)), "log", points=12),
    )


def basis(depth: Array, nonlinear: Array) -> Array:
    midpoint, steepness = nonlinear[0][:, None], nonlinear[1][:, None]
    deep = expit(steepness * (np.log(depth) - np.log(midpoint)))
    return np.stack([1.0 - deep, deep])
