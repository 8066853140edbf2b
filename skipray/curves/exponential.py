"""Exponential approach or decay: value = asymptote + (start - asymptote) * exp(-rate * depth).

Each layer takes the same share of what is left to the asymptote. `fixed={"start": 0}` is the saturating growth
asymptote * (1 - exp(-rate * depth)); `fixed={"asymptote": 0}` is pure decay.
"""

import numpy as np

from skipray.curves import Array, Range

LINEAR = {
    "start": "the value extrapolated to depth 0, in the value's unit",
    "asymptote": "the value of infinitely deep networks, in the value's unit",
}
LEVELS = ("asymptote",)
NONLINEAR = {"rate": "share of the way to the asymptote per layer, 1 / layer; 1 / rate is the decay length in layers"}
FORMULA = "asymptote + (start - asymptote) * exp(-rate * depth)"
EXAMPLE = {"start": 5.0, "asymptote": 1.0, "rate": 0.04}


def ranges(depth: Array) -> tuple[Range, ...]:
    span = depth[-1] - depth[0]
    gap = float(np.min(np.diff(depth)))
    # From nearly straight over the whole span to a drop within half of the narrowest gap.
    return (Range(0.02 / span, 8.0 / gap, "log", points=40),)


def basis(depth: Array, nonlinear: Array) -> Array:
    left = np.exp(-depth * nonlinear[0][:, None])
    return np.stack([left, -np.expm1(-depth * nonlinear[0][:, None])])
