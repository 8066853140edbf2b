"""Fashion-MNIST (Xiao et al. 2017): 60,000 and 10,000 pictures of clothes of 28 x 28 pixels."""

from pathlib import Path

from skipray.datasets.preparing.idx import find_folder, load_idx
from skipray.datasets.preparing.raw import Raw, say_missing
from skipray.spec import DatasetSpec

INPUT_SHAPE = (1, 28, 28)
CLASSES = 10
TRAIN_SAMPLES = 60_000
FLIP = True
FINGERPRINT = "4534a8a413eff65ac48ea6d77aeb47bd49d44cf9cad2a951a3d8866c8831a711"
SHA256S = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""Of the unpacked files."""
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's and Ubuntu's package dataset-fashion-mnist puts the four gzipped files."""


def _folders(root: Path) -> list[Path]:
    return [root / "FashionMNIST" / "raw", DEBIAN_FOLDER]


def missing(dataset: DatasetSpec, root: Path) -> str | None:
    """How to get the files if they are not there. Reads none."""
    if find_folder(_folders(root)):
        return None
    fetch = f"""python -c "import torchvision; torchvision.datasets.FashionMNIST('{root}', download=True)\""""
    return say_missing(
        "Fashion-MNIST files",
        _folders(root),
        [
            "apt-get install dataset-fashion-mnist (Debian, Ubuntu)",
            fetch,
            "set SKIPRAY_DATA to the folder that holds FashionMNIST/raw",
        ],
    )


def load(dataset: DatasetSpec, root: Path) -> Raw:
    """torchvision's layout, ROOT/FashionMNIST/raw, else Debian's folder; plain or gzipped files."""
    return load_idx(_folders(root), SHA256S if not dataset.fingerprint else None, missing(dataset, root) or "")
