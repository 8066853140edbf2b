"""The paper's own sweeps, shrunken to an epoch of few images in each data set's own file format: launch to report."""

import gzip
import hashlib
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skipray.datasets import cifar10, cifar100, fingerprint_of, mnist
from skipray.datasets.preparing.raw import fingerprint_of_md5s
from skipray.spec import DatasetSpec, load_sweep
from skipray.tracking import read_trials

SWEEPS = Path(__file__).parents[1] / "sweeps"
COMMON = (
    "recipe.epochs=1",
    "recipe.batch_size=32",
    "seeds=[0]",
    "resources.device=cpu",
    "resources.max_concurrent=1",
    "probe.samples=32",
)
pytestmark = pytest.mark.cluster


def write_mnist(root: Path) -> str:
    """torchvision's raw files, half of them gzipped; the fingerprint is that of the arrays."""
    folder, random = root / "MNIST" / "raw", np.random.RandomState(0)
    folder.mkdir(parents=True)
    for part, count in (("train", 80), ("t10k", 40)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = random.randint(0, 256, (count, 28, 28)).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            content = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
            if array.ndim == 1:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    return fingerprint_of(mnist.load(DatasetSpec(name="mnist", fingerprint="any"), root))


def write_cifar10(root: Path) -> str:
    return write_batches(root / cifar10.FOLDER, list(cifar10.MD5S), "labels", 10)


def write_cifar100(root: Path) -> str:
    return write_batches(root / cifar100.FOLDER, list(cifar100.MD5S), "fine_labels", 100)


def write_batches(folder: Path, names: list[str], key: str, classes: int) -> str:
    """Pickled batches; the fingerprint is that of their md5 digests, which take the place of the published ones."""
    random, md5s = np.random.RandomState(0), {}
    folder.mkdir(parents=True)
    for name in names:
        labels = [i % classes for i in range(2 * classes)]
        images = random.randint(0, 256, (len(labels), 3072)).astype(np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": images, key: labels}))
        md5s[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    return fingerprint_of_md5s(md5s)


def write_imagenet(root: Path) -> str:
    """Folders of JPEGs of several sizes; the fingerprint is that of the sorted list of paths and sizes."""
    random, listing = np.random.RandomState(0), ""
    for part, count in (("train", 24), ("val", 6)):
        for name in ("n01440764", "n01443537"):
            folder = root / "imagenet" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = random.randint(0, 256, (random.randint(36, 60), random.randint(36, 60), 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{name}_{i:03d}.JPEG")
                listing += f"{part}/{name}/{name}_{i:03d}.JPEG {(folder / f'{name}_{i:03d}.JPEG').stat().st_size}\n"
    return hashlib.sha256(listing.encode()).hexdigest()


CIFAR_LAYOUT = ("factors.depth=[20]", "factors.normalization=[batch]", "model.width=8", "model.group_width=4")
SHRUNKEN: dict[str, tuple[Callable[[Path], str], tuple[str, ...]]] = {
    "paper-mnist": (write_mnist, CIFAR_LAYOUT),
    "paper-cifar10": (write_cifar10, (*CIFAR_LAYOUT, "dataset.train_samples=64")),
    "paper-cifar100": (write_cifar100, (*CIFAR_LAYOUT, "dataset.test_samples=100")),
    "paper-imagenet": (
        write_imagenet,
        ("factors.depth=[50]", "include=[]", "model.width=8", "dataset.options={image_size: 32, classes: 2}"),
    ),
}


@pytest.mark.parametrize("name", SHRUNKEN)
def test_one_shrunken_epoch_from_launch_to_report(name: str, empty_database: Path, tmp_path: Path) -> None:
    write, changes = SHRUNKEN[name]
    fingerprint = write(tmp_path / "data")
    overrides = [*COMMON, *changes, f"dataset.fingerprint={fingerprint}"]
    shutil.copy(empty_database, tmp_path / "skipray.db")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "RAY_", "SKIPRAY_"))}
    done = subprocess.run(
        [sys.executable, "-m", "skipray.launch", str(SWEEPS / f"{name}.yaml"), "--json"]
        + [word for override in overrides for word in ("--set", override)],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path), "SKIPRAY_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ran"] == 3
    read = read_trials(load_sweep(SWEEPS / f"{name}.yaml", overrides), f"sqlite:///{tmp_path}/skipray.db")
    assert set(read["architecture"]) == {"plainnet", "resnet", "resnext"}
    assert read["train.loss"].notna().all()
    assert read["hidden.log10_condition.median"].notna().all()
    report = (tmp_path / "reports" / name / "report.html").read_text()
    assert load_sweep(SWEEPS / f"{name}.yaml").question in report
