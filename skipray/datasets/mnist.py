"""MNIST (LeCun et al. 1998): 60,000 and 10,000 handwritten digits of 28 x 28 pixels."""

from pathlib import Path

from skipray.datasets.preparing.idx import find_folder, load_idx
from skipray.datasets.preparing.raw import Raw, say_missing
from skipray.spec import DatasetSpec

INPUT_SHAPE = (1, 28, 28)
CLASSES = 10
TRAIN_SAMPLES = 60_000
FLIP = False
FINGERPRINT = "f03f67b1b8911ec41cbced5619d373025b283872e9aca9f1a33b78c4e4a82345"
SHA256S = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of the unpacked files."""


def _folders(root: Path) -> list[Path]:
    return [root / "MNIST" / "raw"]


def missing(dataset: DatasetSpec, root: Path) -> str | None:
    """How to get the files if they are not there. Reads none."""
    if find_folder(_folders(root)):
        return None
    fetch = f"""python -c "import torchvision; torchvision.datasets.MNIST('{root}', download=True)\""""
    return say_missing("MNIST files", _folders(root), [fetch, "set SKIPRAY_DATA to the folder that holds MNIST/raw"])


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """torchvision's layout, ROOT/MNIST/raw, plain or gzipped files."""
    return load_idx(_folders(root), SHA256S if not dataset.fingerprint else None, missing(dataset, root) or "")
