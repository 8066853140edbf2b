"""Noisy images of stripes in four directions. Nothing to download."""

from pathlib import Path

import numpy as np

from skipray.datasets import Raw
from skipray.spec import DatasetSpec

INPUT_SHAPE = (1, 8, 8)
CLASSES = 4
TRAIN_SAMPLES = 400
FLIP = False
FINGERPRINT = "da18986817f7119a31a3f97c594dc95e8f6bf7d33c94bd09ab87484df4c4b23b"
DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """A hundred test images."""

    def part(key: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % CLASSES
        y, x = np.mgrid[:8, :8]
        stripes = np.array([(a * y + b * x) % 4 < 2 for a, b in DIRECTIONS])[labels] * 192
        noise = np.random.Philox(key=key).random_raw(stripes.size).reshape(stripes.shape) % 64
        return (stripes + noise).astype(np.uint8)[:, None], labels

    return Raw(*part(0, TRAIN_SAMPLES), *part(1, 100))
