"""Which training samples are held out, and in which order a class-balanced draw takes samples. Fixed, not by seed.

Every trial of every sweep sees the same partition of a data set: seeds vary what is trained, not what it is judged on.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from skipray.spec import DatasetSpec

SUBSET_FRACTION, SUBSET_LEAST, SUBSET_MOST = 0.1, 256, 2_500
"""How much of a larger split is evaluated before the last epoch, as a fraction of the training split's size: a forward
pass costs a third of a training step, so that train, validation and test together take at most a tenth of an epoch
(under 6 % on CIFAR). The last epoch evaluates all."""
TEST_SHARE = 0.2
"""Test samples for each training sample, about, where the data set's file does not say: CIFAR's."""


def fixed_order(name: str, count: int) -> np.ndarray:
    """A permutation of range(count) that depends on the name alone.

    From the raw words of Philox, whose stream numpy keeps (the streams of Generator's methods it may change).
    """
    key = int.from_bytes(hashlib.sha256(f"skipray/{name}".encode()).digest()[:16], "little")
    return np.argsort(np.random.Philox(key=key).random_raw(count), kind="stable")


def balanced_order(name: str, labels: np.ndarray) -> np.ndarray:
    """All samples in an order whose every beginning holds each class equally often, to one, while it lasts."""
    order = fixed_order(name, len(labels))
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        turn[mine] = np.arange(len(mine))
    return order[np.lexsort((labels[order], turn[order]))]


@dataclass(frozen=True)
class Partition:
    """Rising indices: `train` and `validation` of the training files' samples, `test` of the test files'."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    balanced: np.ndarray
    """Positions in `train`, in an order whose every beginning is class-balanced."""


def partition(
    dataset: DatasetSpec, train_labels: np.ndarray, test_labels: np.ndarray, groups: np.ndarray | None = None
) -> Partition:
    """Split a data set as its spec says."""
    mask = held_out(train_labels, dataset.validation_fraction, groups)
    train, validation = np.flatnonzero(~mask), np.flatnonzero(mask)
    train = train[_first(train_labels[train], dataset.train_samples)]
    test = _first(test_labels, dataset.test_samples)
    return Partition(train, validation, test, balanced_order("probe", train_labels[train]))


def _first(labels: np.ndarray, count: int | None) -> np.ndarray:
    """Rising indices of the first `count` samples in a class-balanced order: files are often sorted by class."""
    if count is None or count >= len(labels):
        return np.arange(len(labels))
    return np.sort(balanced_order("subset", labels)[:count])


def held_out(labels: np.ndarray, fraction: float, groups: np.ndarray | None = None) -> np.ndarray:
    """Mask of the training samples that validation takes.

    Without groups: n - round(n (1 - fraction)) samples, each class's share to one sample. With groups: whole groups,
    in a fixed order, at least one and never all, as many as come nearest to that count.
    """
    count = len(labels) - round(len(labels) * (1 - fraction))
    mask = np.zeros(len(labels), bool)
    if groups is None:
        mask[balanced_share(labels, count)] = True
        return mask
    names = np.unique(groups)
    if len(names) < 2:
        raise ValueError(f"found {len(names)} group of training samples; allowed: at least 2, to hold one out")
    names = names[fixed_order("validation groups", len(names))]
    sizes = np.cumsum([np.sum(groups == name) for name in names[:-1]])
    taken = int(np.argmin(np.abs(sizes - count))) + 1
    return np.isin(groups, names[:taken])


def balanced_share(labels: np.ndarray, count: int) -> np.ndarray:
    """Indices of `count` samples, each class in proportion to its size (largest remainders, the lower label first)."""
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * (count / len(labels))
    taken = np.floor(exact).astype(np.int64)
    short = count - taken.sum()
    taken[np.argsort(-(exact - taken), kind="stable")[:short]] += 1
    order = fixed_order("validation", len(labels))
    return np.concatenate([order[labels[order] == c][:k] for c, k in zip(classes, taken, strict=True)])


def subset_size(train_samples: int) -> int:
    """Samples of a split that are evaluated before the last epoch, at most."""
    return min(SUBSET_MOST, max(SUBSET_LEAST, round(SUBSET_FRACTION * train_samples)))


def evaluated_samples(dataset: DatasetSpec, train_samples: int, epochs: int) -> int:
    """How many samples a whole trial evaluates, about: a part of each split before its last epoch, then all of them."""
    share = dataset.validation_fraction
    test = dataset.test_samples or round(TEST_SHARE * train_samples / (1 - share))
    whole = (train_samples, round(share * train_samples / (1 - share)), test)
    return sum(epochs * min(part, subset_size(train_samples)) + part for part in whole)
