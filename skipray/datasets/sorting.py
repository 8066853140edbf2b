"""Sorting: each position is given the symbol that stands there when the sequence is sorted. Nothing to download.

A task of Dong et al. 2021 (Attention is not all you need, section 4): a position has to look at all others. Options:
`positions` of a sequence, `shortest` one where lengths are to differ, `symbols` that there are, `samples` of training
and validation together, `seed`; their defaults are ours. Test sequences are a fifth as many.
"""

from pathlib import Path

import numpy as np

from skipray.datasets.preparing import sequences
from skipray.datasets.preparing.labels import IGNORED
from skipray.datasets.preparing.raw import Raw
from skipray.spec import DatasetSpec, TokenShape

FLIP = False
FINGERPRINT = "2639f29fb1da140a7fbcc48ca58a434e9e20ffc63d51f77f3da537bc194a4098"
"""sha256 of the reference draw of `preparing.sequences`; the options are part of every trial's identity."""
TASK = "positions"
DEFAULTS = {"positions": 8, "shortest": 0, "symbols": 10, "samples": 2000, "seed": 0}


def check(dataset: DatasetSpec) -> None:
    """Raises ValueError for an unknown option or a value that cannot be."""
    sequences.options(dataset, DEFAULTS)


def train_samples(dataset: DatasetSpec) -> int:
    """Sequences of training and validation together."""
    return sequences.options(dataset, DEFAULTS)["samples"]


def shape_and_classes(dataset: DatasetSpec) -> tuple[TokenShape, int]:
    """Sequences of symbols, and padding where lengths differ; a class is a symbol."""
    found = sequences.options(dataset, DEFAULTS)
    if found["shortest"]:
        return TokenShape(found["positions"], found["symbols"] + 1, padding=found["symbols"]), found["symbols"]
    return TokenShape(found["positions"], found["symbols"]), found["symbols"]


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """Draw the data."""
    found = sequences.options(dataset, DEFAULTS)
    name = f"sorting/{found['seed']}/{found['positions']}/{found['symbols']}"

    def part(which: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        stream, shape = f"{name}/{which}", (count, found["positions"])
        real = np.arange(shape[1]) < sequences.lengths(stream, shape, found["shortest"])[:, None]
        drawn = np.where(real, sequences.tokens(stream, shape, found["symbols"]), found["symbols"])
        return drawn, np.where(real, np.sort(drawn, axis=1), IGNORED)  # padding is the largest symbol: behind the end

    test = max(1, round(sequences.TEST_SHARE * found["samples"]))
    return Raw(
        *part("train", found["samples"]), *part("test", test), fingerprint=sequences.checked("sorting", FINGERPRINT)
    )
