"""MNIST and Fashion-MNIST on small files in their own format."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from skipray.datasets import DataCorrupt, fashion_mnist, fingerprint_of, missing, mnist, open_dataset
from skipray.datasets.preparing.idx import PARTS
from skipray.spec import DatasetSpec

SETS = {"mnist": (mnist, "MNIST"), "fashion_mnist": (fashion_mnist, "FashionMNIST")}


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def contents():
    random = np.random.RandomState(1)
    arrays = []
    for count in (50, 20):
        arrays += [random.randint(0, 256, (count, 28, 28)).astype(np.uint8), (np.arange(count) % 10).astype(np.uint8)]
    return dict(zip(PARTS, arrays, strict=True))


@pytest.fixture(params=SETS)
def placed(request, contents, tmp_path, monkeypatch):
    """Module and folder of a data set whose pinned hashes are those of small files."""
    module, name = SETS[request.param]
    folder = tmp_path / "root" / name / "raw"
    folder.mkdir(parents=True)
    for part, array in contents.items():
        (folder / part).write_bytes(idx(array))
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(module, "SHA256S", {p: hashlib.sha256(idx(a)).hexdigest() for p, a in contents.items()})
    raw = module.load(DatasetSpec(name=request.param), tmp_path / "root")
    return module, folder, DatasetSpec(name=request.param), fingerprint_of(raw), str(tmp_path / "root")


def test_files_are_read(placed, contents):
    _, _, dataset, fingerprint, root = placed
    splits = open_dataset(dataset, fingerprint, root)
    assert missing(dataset, root) is None
    assert np.array_equal(splits.test_x.numpy()[:, 0], contents["t10k-images-idx3-ubyte"])
    assert splits.test_y.tolist() == [i % 10 for i in range(20)]
    assert splits.train_x.shape == (45, 1, 28, 28)


def test_gzipped_files_are_read_alike(placed):
    _, folder, dataset, fingerprint, root = placed
    for part in PARTS:
        (folder / f"{part}.gz").write_bytes(gzip.compress((folder / part).read_bytes()))
        (folder / part).unlink()
    assert missing(dataset, root) is None
    assert len(open_dataset(dataset, fingerprint, root).train_y) == 45


@pytest.mark.parametrize("part", PARTS)
def test_a_changed_byte_is_found_and_its_file_named(placed, part):
    _, folder, dataset, fingerprint, root = placed
    content = bytearray((folder / part).read_bytes())
    content[-1] ^= 1
    (folder / part).write_bytes(content)
    with pytest.raises(DataCorrupt, match=f"{part}: found sha256"):
        open_dataset(dataset, fingerprint, root)


def test_a_truncated_gzip_file_is_found(placed):
    _, folder, dataset, fingerprint, root = placed
    packed = gzip.compress((folder / PARTS[0]).read_bytes())
    (folder / PARTS[0]).unlink()
    (folder / f"{PARTS[0]}.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataCorrupt, match=f"{PARTS[0]}.gz: not a whole gzip file"):
        open_dataset(dataset, fingerprint, root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x0d\x01\0\0\0\x05", "not an IDX file"),
        (idx(np.zeros(9, np.uint8))[:-1], "found 8"),
    ],
)
def test_own_files_that_are_no_idx_are_refused(placed, content, message):
    _, folder, dataset, _, root = placed
    (folder / PARTS[1]).write_bytes(content)
    own = DatasetSpec(name=dataset.name, fingerprint="0" * 64)  # no pinned hash of files
    with pytest.raises(DataCorrupt, match=message):
        open_dataset(own, "0" * 64, root)


def test_own_files_of_the_same_format_are_known_by_their_fingerprint(placed):
    _, _, dataset, fingerprint, root = placed
    own = DatasetSpec(name=dataset.name, fingerprint=fingerprint)
    assert len(open_dataset(own, fingerprint, root).test_y) == 20
    with pytest.raises(DataCorrupt, match="found the fingerprint"):
        open_dataset(DatasetSpec(name=dataset.name, fingerprint="0" * 64), "0" * 64, root)


def test_debians_files_are_found_by_themselves(placed, tmp_path):
    module, folder, dataset, fingerprint, _ = placed
    if module is not fashion_mnist:
        return
    (tmp_path / "debian").mkdir()
    for part in PARTS:
        (tmp_path / "debian" / f"{part}.gz").write_bytes(gzip.compress((folder / part).read_bytes()))
    empty = str(tmp_path / "empty")
    assert missing(dataset, empty) is None
    assert len(open_dataset(dataset, fingerprint, empty).train_y) == 45


def test_debians_package_is_named():
    message = fashion_mnist.missing(DatasetSpec(name="fashion_mnist"), fashion_mnist.DEBIAN_FOLDER / "elsewhere")
    assert message is None or "apt-get install dataset-fashion-mnist" in message
