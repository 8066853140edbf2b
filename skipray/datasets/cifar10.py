"""CIFAR-10 (Krizhevsky 2009): 50,000 and 10,000 colour photographs of 32 x 32 pixels in 10 classes.

The fingerprint is the sha256 over the sorted md5 digests of the six batches, one per line, as their publisher and
torchvision list them. A spec that gives its own fingerprint accepts files whose digests make that one.
"""

from pathlib import Path

from skipray.datasets.preparing.cifar import load_cifar, missing_cifar
from skipray.datasets.preparing.raw import Raw
from skipray.spec import DatasetSpec

INPUT_SHAPE = (3, 32, 32)
CLASSES = 10
TRAIN_SAMPLES = 50_000
FLIP = True
FINGERPRINT = "408e9c5a9aa602d2d78b2cf89d7f27e7c871d6050c0854870ff8cb0469e86d19"
FOLDER = "cifar-10-batches-py"
MD5S = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


def missing(dataset: DatasetSpec, root: Path) -> str | None:
    """How to get the files if they are not there. Reads none."""
    return missing_cifar("CIFAR10", root, FOLDER, MD5S)


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """torchvision's layout: ROOT/cifar-10-batches-py."""
    return load_cifar("CIFAR10", root, FOLDER, MD5S, "labels", dataset.fingerprint or FINGERPRINT)
