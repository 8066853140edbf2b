"""CIFAR-10 and CIFAR-100 on small files in their own format, against torchvision's reader."""

import hashlib
import pickle

import numpy as np
import pytest
import torchvision

from skipray.datasets import DataCorrupt, cifar10, cifar100, missing, open_dataset
from skipray.datasets.preparing.raw import fingerprint_of_md5s
from skipray.spec import DatasetSpec

SETS = {
    "cifar10": (cifar10, torchvision.datasets.CIFAR10, "labels", 10),
    "cifar100": (cifar100, torchvision.datasets.CIFAR100, "fine_labels", 100),
}


@pytest.fixture(params=SETS)
def written(request, tmp_path, monkeypatch):
    """Name, root and fingerprint of a data set whose digests are those of the small files written here."""
    module, reference, key, classes = SETS[request.param]
    random = np.random.RandomState(0)
    folder = tmp_path / "root" / module.FOLDER
    folder.mkdir(parents=True)
    md5s = {}
    for name in module.MD5S:
        labels = [int(x) for x in random.permutation(2 * classes) % classes]
        content = pickle.dumps({"data": random.randint(0, 256, (len(labels), 3072)).astype(np.uint8), key: labels})
        (folder / name).write_bytes(content)
        md5s[name] = hashlib.md5(content).hexdigest()
    meta = pickle.dumps({reference.meta["key"]: [str(i) for i in range(classes)]})
    (folder / reference.meta["filename"]).write_bytes(meta)
    monkeypatch.setattr(module, "MD5S", md5s)
    monkeypatch.setattr(reference, "meta", reference.meta | {"md5": hashlib.md5(meta).hexdigest()})
    monkeypatch.setattr(reference, "train_list", list(md5s.items())[:-1])
    monkeypatch.setattr(reference, "test_list", list(md5s.items())[-1:])
    return request.param, str(tmp_path / "root"), fingerprint_of_md5s(md5s)


def test_the_files_are_read_as_torchvision_reads_them(written):
    name, root, fingerprint = written
    module, reference, _, _ = SETS[name]
    raw = module.load(DatasetSpec(name=name, fingerprint=fingerprint), module_root(root))
    train, test = reference(root, train=True), reference(root, train=False)
    assert np.array_equal(raw.train_images, train.data.transpose(0, 3, 1, 2))
    assert raw.train_labels.tolist() == train.targets
    assert np.array_equal(raw.test_images, test.data.transpose(0, 3, 1, 2))
    assert raw.test_labels.tolist() == test.targets


def module_root(root):
    from pathlib import Path

    return Path(root)


def test_a_spec_with_a_fingerprint_of_its_own_opens_them(written):
    name, root, fingerprint = written
    dataset = DatasetSpec(name=name, fingerprint=fingerprint)
    assert missing(dataset, root) is None
    assert open_dataset(dataset, fingerprint, root).train_x.shape[1:] == (3, 32, 32)


def test_files_that_are_not_the_published_ones_are_refused_before_they_are_unpickled(written, monkeypatch):
    name, root, _ = written
    monkeypatch.setattr(pickle, "load", lambda *a, **k: pytest.fail("a foreign pickle was opened"))
    with pytest.raises(DataCorrupt, match="found the fingerprint"):
        open_dataset(DatasetSpec(name=name), SETS[name][0].FINGERPRINT, root)


def test_a_changed_byte_is_found_and_its_file_named(written):
    name, root, fingerprint = written
    module = SETS[name][0]
    path = module_root(root) / module.FOLDER / next(iter(module.MD5S))
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataCorrupt) as raised:
        open_dataset(DatasetSpec(name=name, fingerprint=fingerprint), fingerprint, root)
    assert str(path) in str(raised.value)
    assert str(path.with_name(list(module.MD5S)[-1])) not in str(raised.value)


def test_an_incomplete_folder_is_missing_data(written):
    name, root, _ = written
    module = SETS[name][0]
    (module_root(root) / module.FOLDER / list(module.MD5S)[-1]).unlink()
    assert "SKIPRAY_DATA" in (missing(DatasetSpec(name=name), root) or "")


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"data": [[1, 2]]}), pickle.dumps([1])])
def test_batches_that_are_no_batches_are_named(written, content):
    """A fingerprint of one's own vouches for digests, not for what is in the files."""
    name, root, _ = written
    module = SETS[name][0]
    path = module_root(root) / module.FOLDER / list(module.MD5S)[1]
    path.write_bytes(content)
    found = {file: hashlib.md5((path.parent / file).read_bytes()).hexdigest() for file in module.MD5S}
    spec = DatasetSpec(name=name, fingerprint=fingerprint_of_md5s(found))
    with pytest.raises(DataCorrupt, match=f"{path.name}: not a pickled batch with data and"):
        module.load(spec, module_root(root))
