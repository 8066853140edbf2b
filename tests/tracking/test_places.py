"""Folders of any name: a store works there, or is refused by name before anything is made."""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from skipray import tracking
from skipray.tracking.address import LONGEST, BadAddress


@pytest.mark.parametrize("name", ["with spaces", "größe ü", "o'clock", "a&b=c;d", "x" * 180 + "/" + "y" * 40])
def test_a_store_works_in_a_folder_of_this_name(
    name: str, tmp_path: Path, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    sweep = toys.sweep(depths=(8,), seeds=(0,))
    for trial in sweep.trials():
        toys.record_one(sweep, trial)
    assert (folder / "skipray.db").is_file()
    assert len(tracking.read_trials(sweep)) == 2
    assert len(tracking.read_layers(sweep)) > 0
    assert tracking.examine(sweep) == []
    top = tmp_path / name.partition("/")[0]
    assert [p.name for p in tmp_path.iterdir()] == [top.name], "something was written elsewhere"


@pytest.mark.parametrize("name", ["what?", "a#b", "p%20q", "100%", "q?x=1"])
def test_a_folder_that_addresses_cannot_name_is_refused_before_anything_is_made(
    name: str, tmp_path: Path, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(BadAddress, match="in the path") as refused:
        tracking.prepare(toys.sweep())
    assert str(folder) in str(refused.value)
    assert list(folder.iterdir()) == []
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_path_is_as_long_as_sqlite_takes_or_refused(tmp_path: Path) -> None:
    def of_length(length: int) -> Path:
        path = tmp_path
        while length - len(str(path)) > 210:
            path /= "x" * 200
        return path / ("y" * (length - len(str(path)) - 1))

    longest = of_length(LONGEST)
    longest.parent.mkdir(parents=True)
    with closing(sqlite3.connect(longest)) as database:
        database.execute("CREATE TABLE t (x)")
    assert tracking.resolve_uri(None, f"sqlite:///{longest}") == f"sqlite:///{longest}"
    too_long = of_length(LONGEST + 1)
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        sqlite3.connect(too_long)
    with pytest.raises(BadAddress, match=f"found a path of 505 bytes .*yyy.*; allowed: {LONGEST} bytes"):
        tracking.resolve_uri(None, f"sqlite:///{too_long}")


def test_a_working_directory_that_mlflow_cannot_quote_is_refused_before_anything_is_made(
    tmp_path: Path, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / 'it\'s "so"'
    folder.mkdir()
    monkeypatch.chdir(folder)
    for uri in (None, f"sqlite:///{tmp_path}/skipray.db"):
        with pytest.raises(BadAddress, match=r"found both ' and . in the path .*allowed: a working directory"):
            tracking.prepare(toys.sweep(), uri)
    assert list(folder.iterdir()) == []
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]
    monkeypatch.chdir(tmp_path)
    assert tracking.resolve_uri(None, f"sqlite:///{folder}/skipray.db"), "the file itself may lie there"


def test_options_of_an_address_are_no_part_of_its_file(tmp_path: Path) -> None:
    uri = tracking.resolve_uri(None, "sqlite:///skipray.db?timeout=30")
    assert uri == f"sqlite:///{tmp_path}/skipray.db?timeout=30"
    assert tracking.store_folder(uri) == tmp_path / "skipray-store"
