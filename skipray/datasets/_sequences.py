"""Sequences of tokens that follow from their options: drawn from Philox, whose stream numpy keeps."""

import hashlib

import numpy as np

from skipray.datasets._raw import DataCorrupt
from skipray.spec import DatasetSpec

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
        lowest = 0 if key == "seed" else 2
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise ValueError(f"found {key} {value!r}; allowed: an integer, at least {lowest}")
    return defaults | {key: int(value) for key, value in dataset.options.items()}


def tokens(stream: str, shape: tuple[int, int], count: int) -> np.ndarray:
    """int64 token numbers below `count`, evenly likely (to 2^-32), which depend on the stream's name alone."""
    key = int.from_bytes(hashlib.sha256(f"sequences/{stream}".encode()).digest()[:16], "little")
    bits = np.random.Philox(key=key).random_raw(shape[0] * shape[1])
    return ((bits >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64).reshape(shape)


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
