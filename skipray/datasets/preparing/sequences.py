"""Sequences of tokens that follow from their options: drawn from Philox, whose stream numpy keeps."""

import hashlib

import numpy as np

from skipray.datasets.preparing.raw import DataCorrupt
from skipray.spec import DatasetSpec

SHORTEST = "shortest"
"""Option: lengths are drawn from it to the longest; 0, which is left out: all sequences are of one length."""
TEST_SHARE = 0.2
"""Test sequences for each training sequence."""


def options(dataset: DatasetSpec, defaults: dict[str, int]) -> dict[str, int]:
    """The data set's options over their defaults, checked.

    Raises:
        ValueError: an option that there is not, or a value that cannot be.
    """
    for key, value in dataset.options.items():
        if key not in defaults:
            raise ValueError(f"found the option {key!r}; allowed: {', '.join(defaults)}")
        lowest = {"seed": 0, SHORTEST: 1}.get(key, 2)
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise ValueError(f"found {key} {value!r}; allowed: an integer, at least {lowest}")
    found = defaults | {key: int(value) for key, value in dataset.options.items()}
    longest = found["positions"] if "positions" in found else found["length"]
    if found[SHORTEST] > longest:
        raise ValueError(f"found {SHORTEST} {found[SHORTEST]}; allowed: 1 to {longest}")
    return found


def tokens(stream: str, shape: tuple[int, int], count: int) -> np.ndarray:
    """int64 token numbers below `count`, evenly likely (to 2^-32), which depend on the stream's name alone."""
    key = int.from_bytes(hashlib.sha256(f"sequences/{stream}".encode()).digest()[:16], "little")
    bits = np.random.Philox(key=key).random_raw(shape[0] * shape[1])
    return ((bits >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64).reshape(shape)


def lengths(stream: str, shape: tuple[int, int], shortest: int) -> np.ndarray:
    """(samples,) lengths from the shortest to the number of positions, evenly likely; all positions where there is no
    shortest."""
    count, longest = shape
    if not shortest:
        return np.full(count, longest)
    return shortest + tokens(f"{stream}/lengths", (count, 1), longest - shortest + 1)[:, 0]


def fingerprint(name: str) -> str:
    """sha256 of a small reference draw, which this machine's numpy has to reproduce."""
    return hashlib.sha256(tokens(f"{name} reference", (64, 8), 10).astype("<i8").tobytes()).hexdigest()


def checked(name: str, wanted: str) -> str:
    """The fingerprint of the reference draw.

    Raises:
        DataCorrupt: it is not the wanted one.
    """
    found = fingerprint(name)
    if found != wanted:
        raise DataCorrupt(f"found the reference draw {found}; allowed: {wanted}; other numpy numerics")
    return found
