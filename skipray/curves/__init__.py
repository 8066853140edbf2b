"""Curves over depth, one per file; the file's name is the curve's name.

Every curve is linear in some parameters once the others are given, so that it is fitted by variable projection (Golub &
Pereyra 1973): value(depth) = sum_l linear_l * basis_l(depth; nonlinear). A file, or a user's `module:name` object, has

- `LINEAR: dict[str, str]`: names of the linear parameters with their meaning and unit, in the order of the basis;
- `LEVELS: tuple[str, ...]` (optional): those of them that the value runs into; their intervals end at its bounds;
- `NONLINEAR: dict[str, str]`: the same for the nonlinear ones (may be empty);
- `ranges(depth) -> tuple[Range, ...]`: where each nonlinear parameter is looked for, from the sorted distinct depths;
- `basis(depth, nonlinear)`: array (linear parameters, resamples, depths) for `depth` (depths,) and `nonlinear`
  (nonlinear parameters, resamples), which is (0, resamples) where there are none.

A file of this folder has besides, from which the tests check its basis, its ranges and that it is told from the others:

- `FORMULA: str`: the value as an expression in `depth` and the parameters, with exp, log, minimum and maximum;
- `EXAMPLE: dict[str, float]`: parameters of a curve that depths from 8 to 164 show well, away from the ranges' ends.

Units: depth in weight layers, value in the unit of the series.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from skipray.curves._formula import formula_mistakes, formula_value, parameters_of
from skipray.extension.contract import Attribute, Contract

__all__ = ["CONTRACT", "Array", "Curve", "Range", "formula_value"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Range:
    """Where a nonlinear parameter is looked for: a grid from low to high, then refined inside."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    """log: the parameter is positive, and is refined and given its interval in its logarithm."""
    points: int = 32
    """Grid points. 32 find the global minimum on all of our tests; tuned on synthetic sweeps of 5 to 12 depths."""
    closed: bool = False
    """Whether the parameter cannot lie beyond. Else an interval that reaches an end of the range is open there: it
    ends at 0 or infinity."""


class Curve(Protocol):
    """What a curve's file offers."""

    LINEAR: dict[str, str]
    NONLINEAR: dict[str, str]

    def ranges(self, depth: Array) -> tuple[Range, ...]:
        """Where each nonlinear parameter is looked for."""

    def basis(self, depth: Array, nonlinear: Array) -> Array:
        """The functions that the linear parameters multiply: (linear parameters, resamples, depths)."""


_TRIED = np.array([8.0, 20.0, 38.0, 56.0, 110.0])


def _shapes(name: str, curve: Curve) -> Iterator[str]:
    """What ranges and basis give at five depths: a wrong shape would else be found after the training."""
    given = np.array2string(_TRIED, precision=0)
    try:
        ranges = curve.ranges(_TRIED)
        if not all(isinstance(one, Range) for one in ranges) or len(ranges) != len(curve.NONLINEAR):
            yield f"whose ranges({given}) are {ranges}; allowed: a Range for each of {list(curve.NONLINEAR)}"
            return
        nonlinear = np.array([[one.low, one.high] for one in ranges]).reshape(len(ranges), 2)
        found = np.shape(curve.basis(_TRIED, nonlinear))
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        yield f"whose ranges or basis raise at the depths {given}: {said}; allowed: arrays"
        return
    if found != (allowed := (len(curve.LINEAR), 2, len(_TRIED))):
        yield (
            f"whose basis at {len(_TRIED)} depths and 2 resamples has the shape {found}; allowed: {allowed}, (linear "
            "parameters, resamples, depths)"
        )


def _declared(name: str, curve: Curve) -> Iterator[str]:
    mistakes = list(_shapes(name, curve))
    yield from mistakes
    if not mistakes and ":" not in name:
        yield from formula_mistakes(curve, _TRIED)


CONTRACT = Contract(
    (
        Attribute(("LINEAR",), kind=dict),
        Attribute(("NONLINEAR",), kind=dict),
        Attribute(("ranges",), call=("depth",)),
        Attribute(("basis",), call=("depth", "nonlinear")),
        Attribute(("LEVELS",), of="none", values=lambda curve: tuple(curve.LINEAR)),
        Attribute(("FORMULA",), of="files", kind=str),
        Attribute(("EXAMPLE",), of="files", values=parameters_of),
    ),
    further=_declared,
)
"""What `skipray.extension.catalog` asks of a curve."""
