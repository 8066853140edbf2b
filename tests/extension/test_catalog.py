"""Folders as registries."""

import importlib
import sys
from functools import lru_cache

import grimp
import pytest

from skipray.extension import catalog


@lru_cache
def imports():
    return grimp.build_graph("skipray")


@pytest.mark.catalog
@pytest.mark.parametrize("folder", catalog.FOLDERS)
def test_entries_do_not_know_their_siblings(folder):
    graph = imports()
    entries = {f"skipray.{folder}.{name}" for name in catalog.names(folder)}
    for entry in entries:
        assert not graph.find_modules_directly_imported_by(entry) & entries, entry


@pytest.mark.catalog
@pytest.mark.parametrize("folder", catalog.FOLDERS)
def test_every_entry_is_found_and_says_what_it_is(folder):
    assert catalog.names(folder)
    for name in catalog.names(folder):
        assert catalog.find(folder, name).__doc__.strip()


def test_unknown_names_are_told_the_nearest():
    with pytest.raises(ValueError, match=r"found 'resnett' \(did you mean resnet\?\); allowed: .*plainnet"):
        catalog.find("architectures", "resnett")
    with pytest.raises(ValueError, match="no catalog folder 'widgets'"):
        catalog.names("widgets")


@pytest.mark.parametrize("name", ["os.path", "../etc/passwd", "_blocks", "__init__", ""])
def test_names_cannot_leave_their_folder(name):
    with pytest.raises(ValueError, match="allowed: "):
        catalog.find("architectures", name)


def test_a_users_own_entry(tmp_path, monkeypatch):
    (tmp_path / "my_families.py").write_text(
        "class Mine:\n    CLASSES = 3\n    def build(model, shape, classes): ...\n"
    )
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
    (tmp_path / "my_families.py").write_text(
        "class Mine:\n    CLASSES = 12\n    def build(model, shape, classes): ...\n"
    )
    assert catalog.source_hash("my_families:Mine") != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import math\ndef (", r"theirs.py:2: SyntaxError: invalid syntax"),
        ("x = 1\ny = x / 0\n", r"theirs.py:2: ZeroDivisionError: division by zero"),
        ("import no_such_thing", r"theirs.py:1: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("import sys\nsys.exit(3)", r"theirs.py:2: SystemExit: 3"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_its_line(tmp_path, monkeypatch, text, message):
    (tmp_path / "theirs.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"importing 'theirs' failed: {message}"):
        catalog.find("architectures", "theirs:Net")
    assert "theirs" not in sys.modules


@pytest.mark.parametrize(
    ("folder", "lacks"),
    [
        ("architectures", "build"),
        ("initialisations", "fill or AS_BUILT"),
        ("datasets", "load or open_splits"),
        ("metrics", "METRIC"),
        ("claims", "judge"),
        ("curves", "LINEAR"),
    ],
)
def test_an_entry_without_what_it_needs_is_refused(tmp_path, monkeypatch, folder, lacks):
    (tmp_path / "empty_entries.py").write_text("class Nothing:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=f"found 'empty_entries:Nothing', which has no {lacks}; allowed: "):
        catalog.find(folder, "empty_entries:Nothing")


@pytest.mark.catalog
@pytest.mark.parametrize("folder", catalog.FOLDERS)
def test_our_own_entries_have_what_is_asked_of_a_users(folder):
    contract = importlib.import_module(f"skipray.{folder}").CONTRACT
    asked = [attribute.names for attribute in contract.attributes if attribute.of != "none"]
    assert asked
    for name in catalog.names(folder):
        entry = catalog.find(folder, name)
        contract.check(name, entry)
        for names in asked:
            assert any(hasattr(entry, needed) for needed in names), (name, names)
