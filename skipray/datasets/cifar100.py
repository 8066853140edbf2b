"""CIFAR-100 (Krizhevsky 2009): 50,000 and 10,000 colour photographs of 32 x 32 pixels in 100 classes (fine labels).

The fingerprint is the sha256 over the sorted md5 digests of the two batches, one per line, as their publisher and
torchvision list them. A spec that gives its own fingerprint accepts files whose digests make that one.
"""

from pathlib import Path

from skipray.datasets.preparing.cifar import load_cifar, missing_cifar
from skipray.datasets.preparing.raw import Raw
from skipray.spec import DatasetSpec

INPUT_SHAPE = (3, 32, 32)
CLASSES = 100
TRAIN_SAMPLES = 50_000
FLIP = True
FINGERPRINT = "8552d13561d2cd736caa22ce3d6a2f3ce6c965987949e57888fc881af23f3fa4"
FOLDER = "cifar-100-python"
MD5S = {"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}


def missing(dataset: DatasetSpec, root: Path) -> str | None:
    """How to get the files if they are not there. Reads none."""
    return missing_cifar("CIFAR100", root, FOLDER, MD5S)


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """torchvision's layout: ROOT/cifar-100-python."""
    return load_cifar("CIFAR100", root, FOLDER, MD5S, "fine_labels", dataset.fingerprint or FINGERPRINT)
