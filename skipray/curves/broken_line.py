"""Two straight lines that meet: value = level + slope_before * min(depth - knee, 0) + slope_after * max(depth - knee,
0).

A quantity that changes its regime at one depth, such as log kappa, which grows until it leaves float precision.
"""

import numpy as np

from skipray.curves import Array, Range

LINEAR = {
    "level": "the value at the knee, in the value's unit",
    "slope_before": "change per layer below the knee, in the value's unit / layer",
    "slope_after": "change per layer above the knee, in the value's unit / layer",
}
LEVELS = ("level",)
NONLINEAR = {"knee": "depth at which the lines meet, in layers"}
FORMULA = "level + slope_before * minimum(depth - knee, 0) + slope_after * maximum(depth - knee, 0)"
EXAMPLE = {"level": 6.0, "slope_before": 0.1, "slope_after": -0.01, "knee": 61.0}


def ranges(depth: Array) -> tuple[Range, ...]:
    # Each line needs two depths of its own.
    return (Range(float(depth[1]), float(depth[-2]), "log", points=40, closed=True),)


def basis(depth: Array, nonlinear: Array) -> Array:
    beyond = depth - nonlinear[0][:, None]
    return np.stack([np.ones_like(beyond), np.minimum(beyond, 0.0), np.maximum(beyond, 0.0)])
