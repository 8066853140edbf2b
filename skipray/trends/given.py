"""What callers give the functions of this package, refused where it would be read as something else than it says."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_SHOWN = 3
"""Wrong values that are named."""


def whether(name: str, values: ArrayLike) -> np.ndarray:
    """(values,) booleans; 0 and 1 count as such.

    Raises:
        ValueError: anything else among them, such as an accuracy or NaN.
    """
    given = np.asarray(values)
    if given.dtype == bool:
        return given
    wrong = [one for one in given.ravel().tolist() if not _is_one_of(one, (0, 1))]
    if wrong:
        raise ValueError(f"found {name} with {_listed(wrong)}; allowed: booleans, or 0 and 1")
    return np.asarray(given, dtype=float) > 0


def signs_of(name: str, values: ArrayLike) -> np.ndarray:
    """(values,) of -1, 0 and 1.

    Raises:
        ValueError: anything else among them.
    """
    given = np.asarray(values)
    wrong = [one for one in given.ravel().tolist() if not _is_one_of(one, (-1, 0, 1))]
    if wrong:
        raise ValueError(f"found {name} with {_listed(wrong)}; allowed: -1 below, 0, 1 above")
    return np.asarray(given, dtype=float).astype(int)


def seeds_of(values: ArrayLike | None) -> np.ndarray | None:
    """(values,) what tells seeds apart.

    Raises:
        ValueError: values without a seed among them: NaN, None.
    """
    if values is None:
        return None
    given = np.asarray(values)
    if any(one is None or one != one for one in given.ravel().tolist()):
        raise ValueError("found values without a seed; allowed: a seed for each, or no seed at all")
    return given


def _is_one_of(value: Any, allowed: tuple[int, ...]) -> bool:
    return isinstance(value, int | float) and value in allowed


def _listed(wrong: Iterable[Any]) -> str:
    shown = list(dict.fromkeys(str(value) for value in wrong))
    return ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else "")
