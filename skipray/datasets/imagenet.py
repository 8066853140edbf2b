"""ImageNet (ILSVRC 2012, Russakovsky et al. 2015): 1,281,167 and 50,000 photographs in 1,000 classes, as JPEG files.

ROOT/imagenet/train/CLASS/*.JPEG and ROOT/imagenet/val/CLASS/*.JPEG, as torchvision.datasets.ImageNet unpacks the
archives. Files are read and decoded while they are used, by `resources.threads` processes. The 50,000 are the test set;
validation comes from the training files.

FINGERPRINT is the sha256 over the sorted md5 digests of the two image archives, as torchvision lists them. Unpacked
files cannot be compared with it; what is checked is that there are as many classes and files as the archives hold. A
spec that gives its own `fingerprint`, the sha256 of the sorted list of paths and sizes, accepts any folder that has it.

Options: `image_size` (224) and `classes` (1000). Evaluation: the shorter side to 256/224 of image_size, centre crop.
`standard` augmentation: a crop of 8 to 100 % of the area, ratio 3/4 to 4/3 (Szegedy et al. 2015, section 6), and flip.
Mean and deviation are torchvision's constants for ImageNet, not computed.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skipray.datasets.preparing import cache as prepared
from skipray.datasets.preparing.partition import partition
from skipray.datasets.preparing.raw import DataCorrupt, DataMissing, say_missing
from skipray.datasets.preparing.splits import Splits
from skipray.spec import DatasetSpec

if TYPE_CHECKING:
    import torch

TRAIN_SAMPLES = 1_281_167
TEST_SAMPLES = 50_000
FLIP = True
MD5S = {
    "ILSVRC2012_img_train.tar": "1d675b47d978889d74fa0da5fadfb00e",
    "ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622",
}
FINGERPRINT = "2cf485d401ea2181c0e14babda0cc0e802268c5eebaf040b1a8e7b88eb38fbcd"
FOLDER = "imagenet"
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
DEFAULTS = {"image_size": 224, "classes": 1000}
SUFFIXES = (".jpeg", ".jpg")


def check(dataset: DatasetSpec) -> None:
    """Raises ValueError for an unknown option or a value that cannot be."""
    for key, value in dataset.options.items():
        if key not in DEFAULTS:
            raise ValueError(f"found the option {key!r}; allowed: {', '.join(DEFAULTS)}")
        if isinstance(value, bool) or not isinstance(value, int) or value < 2:
            raise ValueError(f"found {key} {value!r}; allowed: an integer, at least 2")


def shape_and_classes(dataset: DatasetSpec) -> tuple[tuple[int, int, int], int]:
    """(3, image_size, image_size) and the number of classes."""
    options = DEFAULTS | {key: int(value) for key, value in dataset.options.items()}
    return (3, options["image_size"], options["image_size"]), options["classes"]


def missing(dataset: DatasetSpec, root: Path) -> str | None:
    """How to get the files if their folders are not there."""
    folders = [root / FOLDER / part for part in ("train", "val")]
    if all(folder.is_dir() for folder in folders):
        return None
    unpack = f"torchvision.datasets.ImageNet('{root / FOLDER}', split)"
    how = [
        f"get {' and '.join(MD5S)} from image-net.org and unpack them with {unpack} for the splits train and val",
        "set SKIPRAY_DATA to the folder that holds imagenet/train and imagenet/val",
    ]
    return say_missing("ImageNet folders", folders, how)


def open_splits(dataset: DatasetSpec, fingerprint: str, root: Path, cache: Path) -> Splits:
    """Lists the files once per node; opens none.

    Raises:
        DataMissing, DataCorrupt: see above.
    """
    import torch

    arrays = prepare(dataset, fingerprint, root, cache)
    (_, size, _), classes = shape_and_classes(dataset)
    parts: dict[str, Any] = {}
    for part in ("train", "validation", "test"):
        parts[f"{part}_x"] = JpegFiles(root / FOLDER, arrays[f"{part}_files"], size)
        parts[f"{part}_y"] = torch.from_numpy(arrays[f"{part}_y"])
    return Splits(
        **parts,
        balanced=torch.from_numpy(arrays["balanced"]),
        mean=torch.tensor(MEAN, dtype=torch.float32)[:, None, None],
        std=torch.tensor(STD, dtype=torch.float32)[:, None, None],
        classes=classes,
        flip=FLIP,
    )


def prepare(dataset: DatasetSpec, fingerprint: str, root: Path, cache: Path) -> dict[str, np.ndarray]:
    """The files of each split and their labels, listed once per node.

    Raises:
        DataMissing, DataCorrupt: see above.
    """
    message = missing(dataset, root)
    if message:
        raise DataMissing(message)
    folder = prepared.folder_of(cache, dataset, fingerprint)
    arrays, meta = prepared.read_or_make(folder, lambda: _list_splits(dataset, fingerprint, root / FOLDER))
    if meta["root"] != str(root / FOLDER):
        # The same files elsewhere; they are listed anew rather than trusted.
        arrays, _ = _list_splits(dataset, fingerprint, root / FOLDER)
    return arrays


def _list_splits(dataset: DatasetSpec, fingerprint: str, folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    _, classes = shape_and_classes(dataset)
    files = {part: _list(folder / part) for part in ("train", "val")}
    if dataset.fingerprint:
        listing = "".join(f"{part}/{name} {size}\n" for part in files for name, size in files[part])
        found = hashlib.sha256(listing.encode()).hexdigest()
        if found != fingerprint:
            raise DataCorrupt(f"{folder}: found the fingerprint {found}; allowed: {fingerprint}")
    names = sorted({name.partition("/")[0] for name, _ in files["train"]})
    found_counts = (len(names), len(files["train"]), len(files["val"]))
    published = (1000, TRAIN_SAMPLES, TEST_SAMPLES)
    if not dataset.fingerprint and found_counts != published:
        raise DataCorrupt(f"{folder}: found {found_counts} classes, train and val files; allowed: {published}")
    if len(names) != classes or not {n.partition("/")[0] for n, _ in files["val"]} <= set(names):
        raise DataCorrupt(f"{folder}: found {len(names)} classes in train; allowed: {classes}, the same in val")
    label = {name: i for i, name in enumerate(names)}
    labels = {part: np.array([label[n.partition("/")[0]] for n, _ in files[part]], np.int64) for part in files}
    paths = {part: np.array([f"{part}/{n}".encode() for n, _ in files[part]]) for part in files}
    split = partition(dataset, labels["train"], labels["val"])
    return {
        "train_files": paths["train"][split.train],
        "train_y": labels["train"][split.train],
        "validation_files": paths["train"][split.validation],
        "validation_y": labels["train"][split.validation],
        "test_files": paths["val"][split.test],
        "test_y": labels["val"][split.test],
        "balanced": split.balanced,
    }, {"root": str(folder)}


def _list(folder: Path) -> list[tuple[str, int]]:
    """`CLASS/FILE` and its size in bytes, sorted."""
    paths = (path for path in folder.glob("*/*") if path.suffix.lower() in SUFFIXES)
    return sorted((f"{path.parent.name}/{path.name}", path.stat().st_size) for path in paths)


@dataclass(frozen=True)
class JpegFiles:
    """Images by index, decoded when they are asked for."""

    folder: Path
    files: np.ndarray
    size: int

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: "torch.Tensor") -> "torch.Tensor":
        import torch

        return torch.stack([self.decode(i, None) for i in index.tolist()])

    def stream(
        self, chosen: "Sequence[torch.Tensor]", *, augmentation_seed: int | None, workers: int
    ) -> "Iterator[torch.Tensor]":
        """Batches in order, decoded ahead by worker processes."""
        import torch
        from torch.utils.data import DataLoader

        items: Any = _Items(self, augmentation_seed)
        loader: DataLoader[torch.Tensor] = DataLoader(
            items,
            batch_sampler=[index.tolist() for index in chosen],
            collate_fn=_stack,
            num_workers=workers,
            generator=torch.Generator(),  # its own, so that nothing is drawn from the global one
        )
        for batch in loader:
            if isinstance(batch, str):
                raise DataCorrupt(batch)
            yield batch

    def decode(self, i: int, augmentation_seed: int | None) -> "torch.Tensor":
        """(3, size, size) uint8; cropped and flipped by what seed and index alone decide.

        Raises:
            DataCorrupt: a file that is no whole image, with its path.
        """
        import torch
        from torchvision.datasets.folder import default_loader
        from torchvision.transforms import v2

        path = self.folder / self.files[i].decode()
        try:
            image = default_loader(str(path))
        except (OSError, SyntaxError) as error:  # what Pillow raises for a damaged file
            raise DataCorrupt(f"{path}: not a whole image: {error}") from error
        if augmentation_seed is None:
            shorter = round(self.size * 256 / 224)
            steps = v2.Compose([v2.Resize(shorter), v2.CenterCrop(self.size), v2.PILToTensor()])
            return steps(image)
        steps = v2.Compose([v2.RandomResizedCrop(self.size), v2.RandomHorizontalFlip(), v2.PILToTensor()])
        digest = hashlib.sha256(f"{augmentation_seed}/{i}".encode()).digest()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int.from_bytes(digest[:8], "little") >> 1)
            return steps(image)


@dataclass(frozen=True)
class _Items:
    """What torch's DataLoader takes."""

    images: JpegFiles
    augmentation_seed: int | None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> "torch.Tensor | str":
        """The image, or what is wrong with it: an error that a worker raises loses its first line on the way."""
        try:
            return self.images.decode(i, self.augmentation_seed)
        except DataCorrupt as error:
            return str(error)


def _stack(images: "Sequence[torch.Tensor | str]") -> "torch.Tensor | str":
    """The batch, or what is wrong with the first image that is damaged."""
    import torch

    damaged = [image for image in images if isinstance(image, str)]
    return damaged[0] if damaged else torch.stack([image for image in images if not isinstance(image, str)])
