"""A curve's FORMULA: the value a second time, in words that a reader sees, held against the basis that is fitted."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skipray.extension.contract import unknown_words

FUNCTIONS: dict[str, Any] = {"exp": np.exp, "log": np.log, "minimum": np.minimum, "maximum": np.maximum}
"""What a FORMULA may use."""


def parameters_of(curve: Any) -> tuple[str, ...]:
    """A curve's linear and nonlinear parameters."""
    return (*curve.LINEAR, *curve.NONLINEAR)


def formula_value(curve: Any, depth: NDArray[np.float64], parameters: Mapping[str, float]) -> NDArray[np.float64]:
    """The value that a curve's FORMULA gives at depths."""
    scope = FUNCTIONS | dict(parameters) | {"depth": depth, "__builtins__": {}}
    return np.asarray(eval(curve.FORMULA, scope) + 0 * depth, np.float64)


def formula_mistakes(curve: Any, depth: NDArray[np.float64]) -> Iterator[str]:
    """Where a file's FORMULA is no expression in its parameters, or another value than its basis at these depths."""
    parameters = parameters_of(curve)
    if lacking := [one for one in parameters if one not in curve.EXAMPLE]:
        yield f"whose EXAMPLE has no {', '.join(lacking)}; allowed: a value for each of {', '.join(parameters)}"
        return
    allowed = ("depth", *parameters, *FUNCTIONS)
    shown = f"FORMULA {curve.FORMULA!r}"
    try:
        tree = ast.parse(curve.FORMULA, mode="eval")
    except SyntaxError as error:
        yield f"whose {shown} is no expression ({error.msg}); allowed: one in {', '.join(allowed)}"
        return
    unknown = list(unknown_words(shown, sorted({n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}), allowed))
    if unknown:
        yield from unknown
        return
    try:
        said = formula_value(curve, depth, curve.EXAMPLE)
    except Exception as error:
        yield f"whose {shown} raises {type(error).__name__} with EXAMPLE: {error}; allowed: a number at every depth"
        return
    nonlinear = np.array([curve.EXAMPLE[key] for key in curve.NONLINEAR]).reshape(-1, 1)
    fitted = np.array([curve.EXAMPLE[key] for key in curve.LINEAR]) @ curve.basis(depth, nonlinear)[:, 0]
    if not np.allclose(said, fitted, rtol=1e-6):
        at, one, other = (np.array2string(values, precision=4) for values in (depth, said, fitted))
        yield f"whose {shown} is {one} with EXAMPLE at the depths {at}, and its basis {other}; allowed: the same"
