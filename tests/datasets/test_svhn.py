"""SVHN on small files in its own format, against torchvision's reader."""

import hashlib

import numpy as np
import pytest
import torchvision
from scipy.io import savemat

from skipray.datasets import DataCorrupt, open_dataset, svhn
from skipray.datasets.preparing.raw import fingerprint_of_md5s
from skipray.spec import DatasetSpec


@pytest.fixture
def written(tmp_path, monkeypatch):
    random = np.random.RandomState(0)
    md5s, lists = {}, {}
    for split, count in (("train", 60), ("test", 25)):
        path = tmp_path / f"{split}_32x32.mat"
        labels = (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]
        savemat(path, {"X": random.randint(0, 256, (32, 32, 3, count)).astype(np.uint8), "y": labels})
        md5s[path.name] = hashlib.md5(path.read_bytes()).hexdigest()
        lists[split] = ["", path.name, md5s[path.name]]
    monkeypatch.setattr(svhn, "MD5S", md5s)
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", lists)
    return tmp_path, fingerprint_of_md5s(md5s)


def test_the_files_are_read_as_torchvision_reads_them(written):
    root, fingerprint = written
    raw = svhn.load(DatasetSpec(name="svhn", fingerprint=fingerprint), root)
    for part in ("train", "test"):
        reference = torchvision.datasets.SVHN(root, part)
        assert np.array_equal(getattr(raw, f"{part}_images"), reference.data)
        assert getattr(raw, f"{part}_labels").tolist() == reference.labels.tolist()
    assert raw.train_labels[9] == 0


def test_other_files_are_refused(written):
    root, fingerprint = written
    assert len(open_dataset(DatasetSpec(name="svhn", fingerprint=fingerprint), fingerprint, str(root)).test_y) == 25
    with pytest.raises(DataCorrupt, match="found the fingerprint"):
        open_dataset(DatasetSpec(name="svhn"), svhn.FINGERPRINT, str(root))
