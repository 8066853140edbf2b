"""Copying: after a mark, a sequence that stood before it is to be given again. Nothing to download.

The copying problem of Hochreiter and Schmidhuber 1997 without its long wait: `length` symbols, the mark, and as many
blanks, which are to hold the symbols in order; the positions before them have no label. Options: `length`, the
`shortest` where lengths are to differ, `symbols`, `samples` of training and validation together, `seed`; their defaults
are ours. Test sequences are a fifth as many.
"""

from pathlib import Path

import numpy as np

from skipray.datasets.preparing import sequences
from skipray.datasets.preparing.labels import IGNORED
from skipray.datasets.preparing.raw import Raw
from skipray.spec import DatasetSpec, TokenShape

FLIP = False
FINGERPRINT = "be742a55fbce9a3ca16b4ecec56c404cae35e35e4c93b58c6941d1f884d73e6f"
"""sha256 of the reference draw of `preparing.sequences`; the options are part of every trial's identity."""
TASK = "positions"
DEFAULTS = {"length": 8, "shortest": 0, "symbols": 8, "samples": 2000, "seed": 0}


def check(dataset: DatasetSpec) -> None:
    """Raises ValueError for an unknown option or a value that cannot be."""
    sequences.options(dataset, DEFAULTS)


def train_samples(dataset: DatasetSpec) -> int:
    """Sequences of training and validation together."""
    return sequences.options(dataset, DEFAULTS)["samples"]


def shape_and_classes(dataset: DatasetSpec) -> tuple[TokenShape, int]:
    """2 length + 1 positions of symbols, the mark, the blank and, if lengths differ, padding; a class is a symbol."""
    found = sequences.options(dataset, DEFAULTS)
    positions, symbols = 2 * found["length"] + 1, found["symbols"]
    if found["shortest"]:
        return TokenShape(positions, symbols + 3, padding=symbols + 2), symbols
    return TokenShape(positions, symbols + 2), symbols


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """Draw the data."""
    found = sequences.options(dataset, DEFAULTS)
    length, symbols = found["length"], found["symbols"]

    def part(which: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        stream, shape = f"copying/{found['seed']}/{length}/{symbols}/{which}", (count, length)
        drawn = sequences.tokens(stream, shape, symbols)
        long = sequences.lengths(stream, shape, found["shortest"])[:, None]
        place = np.arange(2 * length + 1)[None]
        given = np.take_along_axis(drawn, np.broadcast_to(place % length, (count, 2 * length + 1)), 1)
        again = np.take_along_axis(drawn, np.clip(place - long - 1, 0, length - 1), 1)
        is_blank = (place > long) & (place <= 2 * long)
        # In order: the symbols, the mark, as many blanks, padding.
        x = np.select([place < long, place == long, is_blank], [given, symbols, symbols + 1], symbols + 2)
        return x, np.where(is_blank, again, IGNORED)

    test = max(1, round(sequences.TEST_SHARE * found["samples"]))
    return Raw(
        *part("train", found["samples"]), *part("test", test), fingerprint=sequences.checked("copying", FINGERPRINT)
    )
