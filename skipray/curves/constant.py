"""No trend: value = level, at every depth."""

import numpy as np

from skipray.curves import Array, Range

LINEAR = {"level": "the value at every depth, in the value's unit"}
LEVELS = ("level",)
NONLINEAR: dict[str, str] = {}
FORMULA = "level"
EXAMPLE = {"level": 2.5}


def ranges(depth: Array) -> tuple[Range, ...]:
    return ()


def basis(depth: Array, nonlinear: Array) -> Array:
    return np.ones((1, nonlinear.shape[1], len(depth)))
