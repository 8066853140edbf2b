"""The pickled batches of CIFAR-10 and CIFAR-100 (Krizhevsky 2009), "python version"."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from skipray.datasets.preparing.raw import DataCorrupt, DataMissing, Raw, check_md5s, say_missing


def missing_cifar(name: str, root: Path, folder: str, md5s: Mapping[str, str]) -> str | None:
    """How to get the batches if they are not there. Reads none."""
    if all((root / folder / file).is_file() for file in md5s):
        return None
    fetch = f"""python -c "import torchvision; torchvision.datasets.{name}('{root}', download=True)\""""
    how = [fetch, f"set SKIPRAY_DATA to the folder that holds {folder}"]
    return say_missing(f"{name} files ({', '.join(md5s)})", [root / folder], how)


def load_cifar(name: str, root: Path, folder: str, md5s: Mapping[str, str], label_key: str, wanted: str) -> Raw:
    """Read ROOT/FOLDER's batches, the test batch being the last of `md5s`.

    Raises:
        DataMissing: files are not there.
        DataCorrupt: their digests do not make the wanted fingerprint. Checked before anything is unpickled, since
            unpickling a foreign file runs its code.
    """
    message = missing_cifar(name, root, folder, md5s)
    if message:
        raise DataMissing(message)
    paths = {file: root / folder / file for file in md5s}
    fingerprint = check_md5s(paths, md5s, wanted)
    batches = [_read(path, label_key) for path in paths.values()]
    images = [images for images, _ in batches]
    labels = [labels for _, labels in batches]
    return Raw(
        np.concatenate(images[:-1]), np.concatenate(labels[:-1]), images[-1], labels[-1], fingerprint=fingerprint
    )


def _read(path: Path, label_key: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        with path.open("rb") as file:
            batch = pickle.load(file, encoding="latin1")
        # A row is an image, the red plane first, each plane row by row.
        return np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32), np.asarray(batch[label_key], np.int64)
    except Exception as error:  # a damaged pickle may raise anything
        found = f"{type(error).__name__}: {error}"
        raise DataCorrupt(f"{path}: not a pickled batch with data and {label_key}: {found}") from error
