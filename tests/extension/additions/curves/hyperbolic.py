"""Hyperbolic saturation: value = start + (asymptote - start) * depth / (depth + half).

Half of the way to the asymptote is gone at the depth `half`.
"""

import numpy as np

from skipray.curves import Array, Range

LINEAR = {
    "start": "the value extrapolated to depth 0, in the value's unit",
    "asymptote": "the value of infinitely deep networks, in the value's unit",
}
LEVELS = ("asymptote",)
NONLINEAR = {"half": "depth at which half of the change has happened, in layers"}
FORMULA = "start + (asymptote - start) * depth / (depth + half)"
EXAMPLE = {"start": 5.0, "asymptote": 1.0, "half": 25.0}


def ranges(depth: Array) -> tuple[Range, ...]:
    return (Range(float(depth[0] / 10), float(depth[-1] * 10), "log", points=40),)


def basis(depth: Array, nonlinear: Array) -> Array:
    half = nonlinear[0][:, None]
    return np.stack([half / (depth + half), depth / (depth + half)])
