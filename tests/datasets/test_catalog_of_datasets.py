"""Every file of the catalog has what planning and opening need. A new data set is tested by being there."""

import re
import subprocess
import sys

import pytest

from skipray import datasets
from skipray.extension import catalog
from skipray.spec import DatasetSpec, TokenShape

NAMES = catalog.names("datasets")


def spec_of(name):
    return DatasetSpec(name=name, options=getattr(catalog.find("datasets", name), "EXAMPLE", {}))


PINNED = [n for n in NAMES if not hasattr(catalog.find("datasets", n), "EXAMPLE")]
"""All but those whose data are the user's."""


NEED_FILES = [n for n in NAMES if hasattr(catalog.find("datasets", n), "missing")]


@pytest.mark.catalog
def test_the_data_sets_of_the_design_are_there():
    wanted = {"digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "svhn", "imagenet", "gaussian"}
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_can_be_planned_without_data(name):
    entry = catalog.find("datasets", name)
    shape, classes = datasets.shape_and_classes(spec_of(name))
    assert min(shape) >= 1
    assert isinstance(shape, TokenShape) or len(shape) in (1, 3), "tokens, rows, or images"
    assert classes >= 2
    assert name not in PINNED or re.fullmatch("[0-9a-f]{64}", entry.FINGERPRINT)
    assert isinstance(entry.FLIP, bool)
    samples = entry.train_samples(spec_of(name)) if hasattr(entry, "train_samples") else entry.TRAIN_SAMPLES
    assert samples >= 100
    assert hasattr(entry, "load") or hasattr(entry, "open_splits")


@pytest.mark.catalog
def test_fingerprints_differ():
    assert {"digits", "cifar10", "imagenet", "gaussian"} < set(PINNED)
    assert len({catalog.find("datasets", n).FINGERPRINT for n in PINNED}) == len(PINNED)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(NEED_FILES)))
def test_data_without_files_are_what_their_file_says(name):
    spec, entry = spec_of(name), catalog.find("datasets", name)
    splits = datasets.open_dataset(spec, entry.FINGERPRINT)
    shape, classes = datasets.shape_and_classes(spec)
    samples = entry.train_samples(spec) if hasattr(entry, "train_samples") else entry.TRAIN_SAMPLES
    assert len(splits.train_y) + len(splits.validation_y) == samples
    assert tuple(splits.train_x.shape[1:]) == tuple(shape)
    labels = splits.train_y[splits.train_y >= 0]
    assert labels.unique().tolist() == list(range(classes))


@pytest.mark.parametrize("name", NEED_FILES)
def test_missing_files_are_named_with_a_way_to_get_them(name, tmp_path, monkeypatch):
    if name == "fashion_mnist":
        monkeypatch.setattr(catalog.find("datasets", name), "DEBIAN_FOLDER", tmp_path / "nothing")
    dataset = spec_of(name)
    message = datasets.missing(dataset, str(tmp_path))
    assert message is not None
    assert str(tmp_path) in message
    assert "torchvision.datasets." in message or name not in PINNED
    assert "SKIPRAY_DATA" in message
    fingerprint = getattr(catalog.find("datasets", name), "FINGERPRINT", "")
    with pytest.raises(datasets.DataMissing) as raised:
        datasets.open_dataset(dataset, fingerprint, str(tmp_path))
    assert str(raised.value) == message


def test_data_root_is_the_argument_then_the_environment_then_data(tmp_path, monkeypatch):
    assert datasets.data_root() == tmp_path / "data"
    monkeypatch.setenv("SKIPRAY_DATA", str(tmp_path / "of-the-environment"))
    assert datasets.data_root() == tmp_path / "of-the-environment"
    assert datasets.data_root(str(tmp_path / "given")) == tmp_path / "given"


def test_planning_imports_no_torch():
    code = (
        "import sys; from skipray import datasets; from skipray.extension import catalog\n"
        "from skipray.spec import DatasetSpec\n"
        "for n in catalog.names('datasets'):\n"
        "    spec = DatasetSpec(name=n, options=getattr(catalog.find('datasets', n), 'EXAMPLE', {}))\n"
        "    datasets.shape_and_classes(spec); datasets.missing(spec)\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'torch', 'torchvision', 'sklearn', 'ray'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
