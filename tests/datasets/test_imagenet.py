"""ImageNet on small JPEG folders, against torchvision's own folder reader and transforms."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from skipray.datasets import DataCorrupt, imagenet, open_dataset
from skipray.datasets.preparing.batches import batches
from skipray.spec import DatasetSpec

OPTIONS = {"image_size": 16, "classes": 3}


@pytest.fixture
def folder(tmp_path):
    random = np.random.RandomState(0)
    for part, count in (("train", 10), ("val", 4)):
        for name in ("n03", "n01", "n02"):
            (tmp_path / "imagenet" / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.randint(0, 256, (random.randint(20, 40), random.randint(20, 40), 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "imagenet" / part / name / f"{name}_{i}.JPEG")
    return tmp_path


@pytest.fixture
def fingerprint(folder):
    lines = [
        f"{part}/{name}\n"
        for part in ("train", "val")
        for name in sorted(
            f"{p.parent.name}/{p.name} {p.stat().st_size}" for p in (folder / "imagenet" / part).glob("*/*")
        )
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.fixture
def splits(folder, fingerprint):
    return open_dataset(
        DatasetSpec(name="imagenet", options=OPTIONS, fingerprint=fingerprint), fingerprint, str(folder)
    )


def test_images_and_labels_are_torchvisions(splits, folder):
    transform = v2.Compose([v2.Resize(round(16 * 256 / 224)), v2.CenterCrop(16), v2.PILToTensor()])
    reference = ImageFolder(folder / "imagenet" / "val", transform=transform)
    assert splits.test_y.tolist() == reference.targets
    assert torch.equal(splits.test_x[torch.arange(12)], torch.stack([image for image, _ in reference]))
    assert (len(splits.train_y), len(splits.validation_y)) == (27, 3)
    assert splits.validation_y.bincount().tolist() == [1, 1, 1]


def test_worker_processes_give_the_same_batches(splits):
    chosen = list(torch.randperm(27, generator=torch.Generator().manual_seed(0)).tensor_split(4))
    state = torch.get_rng_state()
    for seed in (None, 5):
        found = list(batches(splits.train_x, splits.train_y, chosen, augmentation_seed=seed, workers=2))
        assert torch.equal(torch.cat([y for _, y in found]), splits.train_y[torch.cat(chosen)])
        for (x, _), index in zip(found, chosen, strict=True):
            assert torch.equal(x, torch.stack([splits.train_x.decode(int(i), seed) for i in index]))
    assert torch.equal(torch.get_rng_state(), state)


def test_augmentation_follows_from_seed_and_sample(splits):
    first = splits.train_x.decode(3, 7)
    assert first.shape == (3, 16, 16)
    assert torch.equal(first, splits.train_x.decode(3, 7))
    assert not torch.equal(first, splits.train_x.decode(3, 8))
    assert not torch.equal(first, splits.train_x.decode(3, None))


def test_normalised_by_torchvisions_constants(splits):
    image = splits.test_x[torch.tensor([0])]
    reference = v2.Compose(
        [v2.ToDtype(torch.float32, scale=True), v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    )
    assert torch.allclose(splits.normalise(image), reference(image), atol=1e-5)


def test_a_folder_that_is_not_all_of_imagenet_is_refused(folder):
    with pytest.raises(DataCorrupt, match=r"found \(3, 30, 12\) classes, train and val files"):
        open_dataset(DatasetSpec(name="imagenet", options=OPTIONS), imagenet.FINGERPRINT, str(folder))


def test_a_file_that_changed_its_size_is_found(folder, fingerprint):
    next((folder / "imagenet" / "val" / "n01").iterdir()).write_bytes(b"short")
    with pytest.raises(DataCorrupt, match="found the fingerprint"):
        open_dataset(DatasetSpec(name="imagenet", options=OPTIONS, fingerprint=fingerprint), fingerprint, str(folder))


@pytest.mark.parametrize("options", [{"size": 3}, {"classes": 1}, {"image_size": 2.0}])
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=r"found.*allowed"):
        imagenet.check(DatasetSpec(name="imagenet", options=options))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_image_is_named_wherever_it_is_decoded(splits, workers):
    path = splits.train_x.folder / splits.train_x.files[5].decode()
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataCorrupt, match=f"{path.name}: not a whole image"):
        list(splits.train_x.stream([torch.tensor([1, 5])], augmentation_seed=None, workers=workers))
    path.write_bytes(b"")
    with pytest.raises(DataCorrupt, match=f"{path.name}: not a whole image"):
        splits.train_x[torch.tensor([5])]
