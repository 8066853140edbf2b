"""SVHN, cropped digits (Netzer et al. 2011): 73,257 and 26,032 house-number digits of 32 x 32 colour pixels.

The fingerprint is the sha256 over the sorted md5 digests of the two .mat files, one per line, as torchvision lists
them.
A spec that gives its own fingerprint accepts files whose digests make that one. The `extra` images are not used.
"""

from pathlib import Path

import numpy as np

from skipray.datasets.preparing.raw import DataCorrupt, DataMissing, Raw, check_md5s, say_missing
from skipray.spec import DatasetSpec

INPUT_SHAPE = (3, 32, 32)
CLASSES = 10
TRAIN_SAMPLES = 73_257
FLIP = False
FINGERPRINT = "17213cdf30381bead4f8c3023df079471bd46c5ed2585cc65d7d251839bcb498"
MD5S = {
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
}


def missing(dataset: DatasetSpec, root: Path) -> str | None:
    """How to get the files if they are not there. Reads none."""
    if all((root / file).is_file() for file in MD5S):
        return None
    splits = "; ".join(f"torchvision.datasets.SVHN('{root}', '{split}', download=True)" for split in ("train", "test"))
    fetch = f'python -c "import torchvision; {splits}"'
    return say_missing(f"SVHN files ({', '.join(MD5S)})", [root], [fetch, "set SKIPRAY_DATA to the folder of both"])


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """torchvision's layout: the two .mat files in ROOT itself."""
    message = missing(dataset, root)
    if message:
        raise DataMissing(message)
    paths = {file: root / file for file in MD5S}
    fingerprint = check_md5s(paths, MD5S, dataset.fingerprint or FINGERPRINT)
    train, test = (_read(path) for path in paths.values())
    return Raw(*train, *test, fingerprint=fingerprint)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    from scipy.io import loadmat

    try:
        content = loadmat(str(path))
        labels = content["y"].astype(np.int64).reshape(-1)
        labels[labels == 10] = 0  # the files call the digit 0 class 10
        return np.ascontiguousarray(content["X"].transpose(3, 2, 0, 1)), labels
    except Exception as error:  # a damaged file may raise anything
        raise DataCorrupt(f"{path}: not a .mat file with X and y: {type(error).__name__}: {error}") from error
