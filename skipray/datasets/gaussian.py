"""Synthetic Gaussian data: independent N(0, 1) features, the setting of the theory (Oyedotun et al. 2023, section III).

Options: `features`, `samples` (of training and validation together), `classes`, `seed`, and `separation`: the length of
each class's mean, in a random direction. With separation 0 (the default) the labels are noise: they can be learned by
heart and nothing more. Test samples are a quarter as many as `samples`.

The numbers come from numpy's counter-based Philox generator, whose stream is fixed, through the normal distribution's
quantile function. The options are part of every trial's identity; FINGERPRINT is that of a small reference draw, and
loading fails where this machine's libraries do not reproduce it.
"""

import hashlib
from pathlib import Path

import numpy as np

from skipray.datasets.preparing.raw import DataCorrupt, Raw
from skipray.spec import DatasetSpec

FLIP = False
FINGERPRINT = "7bd004ca1ede1652c4230295cac1cd79fe22a55c464c33e7c1ab318395d45904"
"""sha256 of `_normal("reference", (64, 8))`'s bytes."""
DEFAULTS: dict[str, float] = {"features": 64, "samples": 1024, "classes": 10, "seed": 0, "separation": 0.0}


def _options(dataset: DatasetSpec) -> dict[str, float]:
    return DEFAULTS | {key: float(value) for key, value in dataset.options.items()}


def check(dataset: DatasetSpec) -> None:
    """Raises ValueError for an unknown option or a value that cannot be."""
    for key, value in dataset.options.items():
        if key not in DEFAULTS:
            raise ValueError(f"found the option {key!r}; allowed: {', '.join(DEFAULTS)}")
        whole = key != "separation"
        lowest = 0 if key in ("seed", "separation") else 2 if key == "classes" else 1
        if isinstance(value, bool | str) or (whole and not isinstance(value, int)) or value < lowest:
            raise ValueError(
                f"found {key} {value!r}; allowed: {'an integer' if whole else 'a number'}, at least {lowest}"
            )


def shape_and_classes(dataset: DatasetSpec) -> tuple[tuple[int, int, int], int]:
    """One row of `features` pixels in one channel."""
    options = _options(dataset)
    return (1, 1, int(options["features"])), int(options["classes"])


def train_samples(dataset: DatasetSpec) -> int:
    """Samples of training and validation together."""
    return int(_options(dataset)["samples"])


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """Draw the data. Classes are of equal size (to one) in both sets."""
    found = hashlib.sha256(_normal("reference", (64, 8)).tobytes()).hexdigest()
    if found != FINGERPRINT:
        raise DataCorrupt(f"found the reference draw {found}; allowed: {FINGERPRINT}; other numpy or scipy numerics")
    options = _options(dataset)
    (_, _, features), classes = shape_and_classes(dataset)
    samples = train_samples(dataset)
    prefix = f"{int(options['seed'])}/{features}/{classes}"
    means = _normal(f"{prefix}/means", (classes, features)).astype(np.float64)
    means *= options["separation"] / np.linalg.norm(means, axis=1, keepdims=True)

    def part(name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count, dtype=np.int64) % classes
        images = _normal(f"{prefix}/{name}", (count, features)) + means[labels].astype(np.float32)
        return images.reshape(count, 1, 1, features), labels

    train_images, train_labels = part("train", samples)
    test_images, test_labels = part("test", max(classes, samples // 4))
    return Raw(train_images, train_labels, test_images, test_labels, fingerprint=FINGERPRINT)


def _normal(stream: str, shape: tuple[int, int]) -> np.ndarray:
    """Standard normal float32 numbers that depend on the stream's name alone."""
    from scipy.special import ndtri

    key = int.from_bytes(hashlib.sha256(f"gaussian/{stream}".encode()).digest()[:16], "little")
    bits = np.random.Philox(key=key).random_raw(shape[0] * shape[1])
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.ascontiguousarray(ndtri(uniform).astype("<f4").reshape(shape))
