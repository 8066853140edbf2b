"""Folders as registries."""

import sys

import grimp
import pytest

from skipray import catalog


@pytest.mark.parametrize("folder", catalog.FOLDERS)
def test_entries_do_not_know_their_siblings(folder):
    graph = grimp.build_graph("skipray")
    entries = {f"skipray.{folder}.{name}" for name in catalog.names(folder)}
    for entry in entries:
        assert not graph.find_modules_directly_imported_by(entry) & entries, entry


@pytest.mark.parametrize("folder", catalog.FOLDERS)
def test_every_entry_is_found_and_says_what_it_is(folder):
    assert catalog.names(folder)
    for name in catalog.names(folder):
        assert catalog.find(folder, name).__doc__.strip()


def test_unknown_names_are_told_the_nearest():
    with pytest.raises(ValueError, match=r"found 'resnett' \(did you mean resnet\?\); allowed: .*plainnet"):
        catalog.find("architectures", "resnett")
    with pytest.raises(ValueError, match="no catalog folder 'metrics'"):
        catalog.names("metrics")


@pytest.mark.parametrize("name", ["os.path", "../etc/passwd", "_blocks", "__init__", ""])
def test_names_cannot_leave_their_folder(name):
    with pytest.raises(ValueError, match="allowed: "):
        catalog.find("architectures", name)


def test_a_users_own_entry(tmp_path, monkeypatch):
    (tmp_path / "my_families.py").write_text("class Mine:\n    CLASSES = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert catalog.find("architectures", "my_families:Mine").CLASSES == 3
    before = catalog.source_hash("my_families:Mine")
    assert before is not None
    assert catalog.source_hash("resnet") is None
    with pytest.raises(ValueError, match=r"has no 'Yours'; it has Mine"):
        catalog.find("architectures", "my_families:Yours")
    with pytest.raises(ValueError, match="importing 'no_such_module' failed"):
        catalog.find("architectures", "no_such_module:Mine")
    del sys.modules["my_families"]
    (tmp_path / "my_families.py").write_text("class Mine:\n    CLASSES = 12\n")
    assert catalog.source_hash("my_families:Mine") != before
