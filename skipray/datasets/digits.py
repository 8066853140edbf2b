"""scikit-learn's digits: 1797 images of 8 x 8 pixels in 17 grey levels, inside the package: nothing to download.

From the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998). The labels repeat one sequence
of 130 digits, the form that each writer filled in, 14 times, with a few digits left out: so the rows of one form are
one writer's, and `FORM_STARTS` is where the sequence starts anew.

A random split flatters: 53 % of all images have their nearest neighbour (Euclidean, pixels) in their own form, where
7 % would by chance, and the nearest-neighbour classifier errs on 1.2 % of a random fifth but on 4.2 % of three forms
that it has not seen (tests/datasets/test_digits.py). So the last three forms (382 images) are the test set, and
validation takes whole forms of the others.
"""

from functools import cache
from pathlib import Path

import numpy as np

from skipray.datasets.preparing.partition import held_out
from skipray.datasets.preparing.raw import Raw
from skipray.spec import DatasetSpec

INPUT_SHAPE = (1, 8, 8)
CLASSES = 10
TRAIN_SAMPLES = 1415
FLIP = False
FINGERPRINT = "e7b9a1b960aaf3651c9642af8c0f488374da10441802a97b4dc696aaae13d040"
FORM_STARTS = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667)
"""First row of each of the 14 forms."""


def samples_left(dataset: DatasetSpec) -> int:
    """Training samples of the forms that validation leaves."""
    return _left(dataset.validation_fraction)


@cache
def _left(validation_fraction: float) -> int:
    """Asked for each trial of a sweep."""
    form = _forms(np.arange(TRAIN_SAMPLES))
    return int(np.sum(~held_out(form, validation_fraction, form)))


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """Forms 1 to 11 for training and validation, 12 to 14 for the test."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, *INPUT_SHAPE).astype(np.uint8)
    form = _forms(np.arange(len(labels)))
    train = slice(0, TRAIN_SAMPLES)
    test = slice(TRAIN_SAMPLES, None)
    return Raw(images[train], labels[train], images[test], labels[test], train_groups=form[train])


def _forms(rows: np.ndarray) -> np.ndarray:
    """Which form each row is of, from 0."""
    return np.searchsorted(FORM_STARTS, rows, side="right") - 1
