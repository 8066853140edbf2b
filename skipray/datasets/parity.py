"""Parity: whether a sequence of bits has an odd number of ones. Nothing to download.

One class for a sequence, which no part of it tells anything of (Minsky and Papert 1969). Options: `positions` of a
sequence, `shortest` one where lengths are to differ, `samples` of training and validation together, `seed`; their
defaults are ours. Test sequences are a fifth as many.
"""

from pathlib import Path

import numpy as np

from skipray.datasets.preparing import sequences
from skipray.datasets.preparing.raw import Raw
from skipray.spec import DatasetSpec, TokenShape

FLIP = False
FINGERPRINT = "0e30fc849db7f0cb64134c944438696b27eac55eec06ae514a1fdbf76d09613e"
"""sha256 of the reference draw of `preparing.sequences`; the options are part of every trial's identity."""
DEFAULTS = {"positions": 8, "shortest": 0, "samples": 2000, "seed": 0}
PADDING = 2


def check(dataset: DatasetSpec) -> None:
    """Raises ValueError for an unknown option or a value that cannot be."""
    sequences.options(dataset, DEFAULTS)


def train_samples(dataset: DatasetSpec) -> int:
    """Sequences of training and validation together."""
    return sequences.options(dataset, DEFAULTS)["samples"]


def shape_and_classes(dataset: DatasetSpec) -> tuple[TokenShape, int]:
    """Sequences of 0 and 1, and padding where lengths differ; classes: even, odd."""
    found = sequences.options(dataset, DEFAULTS)
    if found["shortest"]:
        return TokenShape(found["positions"], 3, padding=PADDING), 2
    return TokenShape(found["positions"], 2), 2


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """Draw the data."""
    found = sequences.options(dataset, DEFAULTS)

    def part(which: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        stream, shape = f"parity/{found['seed']}/{found['positions']}/{which}", (count, found["positions"])
        drawn = sequences.tokens(stream, shape, 2)
        real = np.arange(shape[1]) < sequences.lengths(stream, shape, found["shortest"])[:, None]
        return np.where(real, drawn, PADDING), (drawn * real).sum(1) % 2

    test = max(2, round(sequences.TEST_SHARE * found["samples"]))
    return Raw(
        *part("train", found["samples"]), *part("test", test), fingerprint=sequences.checked("parity", FINGERPRINT)
    )
