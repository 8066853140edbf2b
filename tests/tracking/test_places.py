"""Folders of any name: a store works there, or is refused by name before anything is made."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from skipray import tracking
from skipray.tracking.address import BadAddress


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


def test_options_of_an_address_are_no_part_of_its_file(tmp_path: Path) -> None:
    uri = tracking.resolve_uri(None, "sqlite:///skipray.db?timeout=30")
    assert uri == f"sqlite:///{tmp_path}/skipray.db?timeout=30"
    assert tracking.store_folder(uri) == tmp_path / "skipray-store"
