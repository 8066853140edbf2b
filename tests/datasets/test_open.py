"""Opening a data set: prepared once, shared, verified; user's own data; normalisation and the probe batch."""

import errno
import importlib
import json
import os
import subprocess
import sys
import time
import types
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from skipray import datasets
from skipray.datasets import DataCorrupt, Raw, fingerprint_of, gaussian, open_dataset
from skipray.datasets.preparing import cache
from skipray.spec import DatasetSpec
from skipray.storage.cache import CacheUnusable

DIGITS = DatasetSpec(name="digits")


def own_data(**changes):
    """A user's data set: 60 + 12 images of 2 x 4 x 3."""
    random = np.random.RandomState(0)
    arrays = {
        "train_images": random.randint(0, 256, (60, 2, 4, 3)).astype(np.uint8),
        "train_labels": np.arange(60) % 3,
        "test_images": random.randint(0, 256, (12, 2, 4, 3)).astype(np.uint8),
        "test_labels": np.arange(12) % 3,
    }
    return Raw(**(arrays | changes))


@pytest.fixture
def user_module(monkeypatch):
    """`mine:data`, whose loads are counted."""
    entry = types.SimpleNamespace(
        INPUT_SHAPE=(2, 4, 3), CLASSES=3, TRAIN_SAMPLES=60, FLIP=True, raw=own_data(), loads=0
    )

    def load(dataset, root):
        entry.loads += 1
        return entry.raw

    entry.load = load
    module = types.ModuleType("mine")
    module.data = entry
    monkeypatch.setitem(sys.modules, "mine", module)
    return entry


MINE = DatasetSpec(name="mine:data")


def test_a_users_own_data(user_module):
    splits = open_dataset(MINE, fingerprint_of(user_module.raw))
    assert splits.train_x.shape == (54, 2, 4, 3)
    assert (len(splits.validation_y), len(splits.test_y), splits.classes, splits.flip) == (6, 12, 3, True)
    assert datasets.missing(MINE) is None
    seen = torch.cat([splits.train_x, splits.validation_x]).flatten(1)
    wanted = torch.from_numpy(user_module.raw.train_images).flatten(1)
    assert sorted(seen.tolist()) == sorted(wanted.tolist())


def test_wrong_data_are_refused_with_what_was_found(user_module):
    with pytest.raises(DataCorrupt, match=f"found the fingerprint {fingerprint_of(user_module.raw)}; allowed: abc"):
        open_dataset(MINE, "abc")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_labels": np.arange(60) % 4}, "labels outside 0 to 2"),
        ({"train_labels": np.ones(60, np.int64)}, "train labels that are all 1; allowed: 2 classes or more"),
        ({"train_images": np.zeros((60, 1, 4, 3), np.uint8)}, r"images of \(1, 4, 3\); allowed: \(2, 4, 3\)"),
        ({"test_images": np.full((12, 2, 4, 3), np.nan, np.float32)}, "not finite"),
    ],
)
def test_arrays_that_cannot_be_are_refused(user_module, changes, message):
    user_module.raw = own_data(**changes)
    with pytest.raises(DataCorrupt, match=message):
        open_dataset(MINE, fingerprint_of(user_module.raw))


def test_any_changed_pixel_or_label_changes_the_fingerprint():
    raw = own_data()
    images, labels = raw.train_images.copy(), raw.test_labels.copy()
    images[5, 1, 2, 0] ^= 1
    labels[3] = (labels[3] + 1) % 3
    prints = {fingerprint_of(r) for r in (raw, own_data(train_images=images), own_data(test_labels=labels))}
    assert len(prints) == 3
    assert fingerprint_of(own_data(train_labels=raw.train_labels.astype(np.int32))) == fingerprint_of(raw)


def test_data_are_prepared_once_and_opened_once_a_process(user_module):
    fingerprint = fingerprint_of(user_module.raw)
    first = open_dataset(MINE, fingerprint)
    assert open_dataset(MINE, fingerprint) is first
    datasets._open.cache_clear()
    again = open_dataset(MINE, fingerprint)
    assert user_module.loads == 1
    assert torch.equal(again.train_x, first.train_x)


def test_normalised_by_the_training_split():
    splits = open_dataset(DIGITS, datasets.catalog.find("datasets", "digits").FINGERPRINT)
    pixels = splits.train_x.numpy().astype(np.float64)
    normal = splits.normalise(splits.train_x)
    assert normal.dtype == torch.float32
    expected = (pixels - pixels.mean()) / pixels.std()
    assert torch.allclose(normal, torch.from_numpy(expected).float(), atol=1e-5)


def test_channels_are_normalised_apart_and_a_constant_one_is_left(user_module):
    images = user_module.raw.train_images.copy()
    images[:, 1] = 7
    user_module.raw = own_data(train_images=images)
    splits = open_dataset(MINE, fingerprint_of(user_module.raw))
    normal = splits.normalise(splits.train_x)
    assert normal[:, 0].mean().item() == pytest.approx(0, abs=1e-5)
    assert normal[:, 0].std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert not normal[:, 1].any()


def test_normalising_leaves_the_data_alone(user_module):
    dataset = DatasetSpec(name="gaussian")
    splits = open_dataset(dataset, gaussian.FINGERPRINT)
    before = splits.train_x.clone()
    splits.normalise(splits.train_x)
    assert torch.equal(splits.train_x, before)


def test_the_probe_batch_is_balanced_and_a_smaller_one_is_its_beginning():
    fingerprint = datasets.catalog.find("datasets", "digits").FINGERPRINT
    inputs, labels = open_dataset(DIGITS, fingerprint).probe_batch(100)
    assert labels.bincount().tolist() == [10] * 10
    fewer, _ = open_dataset(DIGITS, fingerprint).probe_batch(30)
    assert torch.equal(fewer, inputs[:30])
    everything, _ = open_dataset(DIGITS, fingerprint).probe_batch(10**6)
    assert len(everything) == len(open_dataset(DIGITS, fingerprint).train_y)


def test_writing_to_the_tensors_does_not_reach_the_file(user_module):
    fingerprint = fingerprint_of(user_module.raw)
    splits = open_dataset(MINE, fingerprint)
    before = splits.train_x.clone()
    splits.train_x.zero_()
    datasets._open.cache_clear()
    assert torch.equal(open_dataset(MINE, fingerprint).train_x, before)


@pytest.mark.parametrize("damage", ["truncate", "touch", "remove", "no meta"])
def test_a_damaged_cache_is_made_anew(user_module, damage, tmp_path):
    fingerprint = fingerprint_of(user_module.raw)
    before = open_dataset(MINE, fingerprint).train_x.clone()
    datasets._open.cache_clear()
    (path,) = tmp_path.glob("cache/*/train_x.npy")
    if damage == "truncate":
        os.truncate(path, 100)
    elif damage == "touch":
        os.utime(path)
    elif damage == "remove":
        path.unlink()
    else:
        (path.parent / "meta.json").write_text("{")
    assert torch.equal(open_dataset(MINE, fingerprint).train_x, before)
    assert user_module.loads == 2
    assert [p.suffix for p in sorted((tmp_path / "cache").iterdir())] == ["", ".lock"]


def test_a_loader_that_fails_leaves_nothing_behind(user_module, tmp_path):
    def load(dataset, root):
        raise TypeError("no such data")

    user_module.load = load
    with pytest.raises(TypeError):
        open_dataset(MINE, "x")
    assert [p for p in (tmp_path / "cache").iterdir() if p.is_dir()] == []


CHILD = """
import json, sys, time
from pathlib import Path
import numpy as np
from skipray.datasets.preparing import cache
folder, ready, go, made = map(Path, sys.argv[1:])
def make():
    with made.open("a") as file:
        file.write("x")
    time.sleep(0.3)
    return {"a": np.arange(100_000)}, {"mean": [1.0]}
ready.touch()
while not go.exists():
    time.sleep(0.005)
arrays, meta = cache.read_or_make(folder, make)
print(json.dumps([int(arrays["a"].sum()), meta["mean"]]))
"""


@pytest.mark.parametrize("locks", [True, False])
def test_processes_that_start_at_once_share_one_cache(tmp_path, locks):
    code = (
        CHILD
        if locks
        else CHILD.replace("ready.touch()", "cache._lock = __import__('contextlib').nullcontext\nready.touch()")
    )
    arguments = [tmp_path / "c" / "data", tmp_path / "go", tmp_path / "made"]
    children = []
    for i in range(2):
        command = [sys.executable, "-c", code, arguments[0], tmp_path / f"ready{i}", *arguments[1:]]
        children.append(subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True))
    while not all((tmp_path / f"ready{i}").exists() for i in range(2)):
        assert all(child.poll() is None for child in children)
        time.sleep(0.01)
    (tmp_path / "go").touch()
    results = [json.loads(child.communicate(timeout=60)[0]) for child in children]
    assert results == [[4999950000, [1.0]]] * 2
    assert len((tmp_path / "made").read_text()) == (1 if locks else 2)
    assert [p.name for p in (tmp_path / "c").iterdir() if p.is_dir()] == ["data"]


def test_what_is_wrong_is_said_before_any_trial_and_without_torch(user_module, tmp_path):
    fingerprint = fingerprint_of(user_module.raw)
    assert datasets.unusable(MINE, fingerprint) is None
    open_dataset(MINE, fingerprint)
    assert user_module.loads == 1
    assert "found the fingerprint" in datasets.unusable(MINE, "0" * 64)
    missing = datasets.unusable(DatasetSpec(name="cifar10"), "0" * 64, str(tmp_path))
    assert "found no CIFAR10 files" in missing
    assert "download=True" in missing

    def load(dataset, root):
        raise KeyError("my column")

    user_module.load = load
    line = f"test_open.py:{load.__code__.co_firstlineno + 1}"
    assert datasets.unusable(MINE, "1" * 64).endswith(f"{line}: KeyError: 'my column'")


def test_a_cache_folder_that_cannot_be_used_is_named_and_not_the_data(user_module, tmp_path, monkeypatch):
    fingerprint = fingerprint_of(user_module.raw)
    (tmp_path / "file").touch()
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path / "file" / "x"))
    for use in (datasets.unusable, datasets.prepare, open_dataset):
        with pytest.raises(CacheUnusable, match=r"file/x: found .*\(Not a directory\); allowed: .*SKIPRAY_CACHE"):
            use(MINE, fingerprint)
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path / "full"))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(cache.np, "save", Mock(side_effect=full))
    with pytest.raises(CacheUnusable, match=r"full: found .*\(No space left on device\)"):
        datasets.unusable(MINE, fingerprint)


def test_what_the_system_refuses_to_a_users_own_load_is_told_as_theirs(user_module, monkeypatch):
    monkeypatch.setattr(user_module, "load", Mock(side_effect=NotADirectoryError("of mine")))
    assert datasets.unusable(MINE, "0" * 64) == "NotADirectoryError: of mine"


def test_preparing_imports_no_torch(tmp_path):
    program = (
        "import sys; from skipray import datasets; from skipray.datasets import digits\n"
        "from skipray.spec import DatasetSpec\n"
        "assert datasets.unusable(DatasetSpec(name='digits'), digits.FINGERPRINT) is None\n"
        "assert 'torch' not in sys.modules"
    )
    environment = os.environ | {"SKIPRAY_CACHE": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=100)


def test_an_edited_loader_is_not_served_from_the_cache(tmp_path, monkeypatch):
    text = (
        "import numpy as np\nfrom skipray.datasets import Raw\n"
        "class data:\n"
        "    INPUT_SHAPE, CLASSES, TRAIN_SAMPLES, FLIP = (1, 1, 2), 2, 40, False\n"
        "    @staticmethod\n"
        "    def load(dataset, root):\n"
        "        x = np.arange(100, dtype=np.float32).reshape(50, 1, 1, 2) * SCALE\n"
        "        y = np.arange(50) % 2\n"
        "        return Raw(x[:40], y[:40], x[40:], y[40:])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    # Python takes old bytecode for that of a source of the same size and second.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = DatasetSpec(name="edited_loader:data")

    def prepare(scale, fingerprint=None):
        sys.modules.pop("edited_loader", None)
        (tmp_path / "edited_loader.py").write_text(f"SCALE = {scale}\n{text}")
        importlib.invalidate_caches()
        module = importlib.import_module("edited_loader")
        return datasets.unusable(spec, fingerprint or fingerprint_of(module.data.load(None, None)))

    assert prepare(1) is None
    fingerprint = fingerprint_of(sys.modules["edited_loader"].data.load(None, None))
    assert prepare(1, fingerprint) is None
    assert "found the fingerprint" in prepare(3, fingerprint)
    assert prepare(3) is None
    del sys.modules["edited_loader"]
