"""A power law with an offset: value = offset + coefficient * depth ** exponent.

A negative exponent falls (or rises) to the offset, slower than an exponential: 1 - mean cosine of a ReLU network does
so with exponent -2. `fixed={"offset": 0}` is the pure power law.
"""

import numpy as np

from skipray.curves import Array, Range

LINEAR = {
    "offset": "limit for deep networks when the exponent is negative, in the value's unit",
    "coefficient": "distance from the offset at depth 1, in the value's unit / layer ** exponent",
}
LEVELS = ("offset",)
NONLINEAR = {"exponent": "power of depth, no unit"}
FORMULA = "offset + coefficient * depth**exponent"
EXAMPLE = {"offset": 1.0, "coefficient": 30.0, "exponent": -1.7}


def ranges(depth: Array) -> tuple[Range, ...]:
    # Steeper powers than 6 are indistinguishable from exponentials on any depths that a sweep has.
    return (Range(-6.0, 6.0, points=48),)


def basis(depth: Array, nonlinear: Array) -> Array:
    power = np.exp(np.log(depth) * nonlinear[0][:, None])
    return np.stack([np.ones_like(power), power])
