"""A file that a user names is never written over something else without a word."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from skipray.errors import InputRefused
from skipray.execution.metrics_file import check_metrics
from skipray.launch import run
from skipray.outputs import check_output
from skipray.tracking.exchange.exported_table import export_table
from skipray.tracking.exchange.exporting import export_sweep

NEVER: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a sweep's own file": ("mine.yaml", lambda path: path.write_text("name: mine"), "ends in .zip or .csv"),
    "a folder": ("folder.csv", lambda path: path.mkdir(), "which is a folder"),
    "a folder that is missing": ("nowhere/x.csv", lambda path: None, "whose folder is missing"),
    "a file as folder": ("file/x.csv", lambda path: path.parent.write_text(""), "whose folder is missing"),
    "a device": ("null.csv", lambda path: path.symlink_to("/dev/null"), "which is a device"),
    "a pipe": ("pipe.csv", lambda path: os.mkfifo(path), "which is a pipe"),
    "a link that leads nowhere": ("link.csv", lambda path: path.symlink_to("gone"), "leads nowhere"),
    "a link to itself": ("loop.csv", lambda path: path.symlink_to(path.name), "symbolic links"),
    "no ending": ("-", lambda path: None, "ends in .zip or .csv"),
    "a name that is too long": ("n" * 300 + ".csv", lambda path: None, "too long"),
}


@pytest.mark.parametrize("cause", NEVER)
def test_what_can_never_be_written_is_refused(cause: str, tmp_path: Path) -> None:
    name, make, words = NEVER[cause]
    path = tmp_path / name
    make(path)
    for replace in (False, True):
        with pytest.raises(InputRefused, match=words):
            check_output(path, (".zip", ".csv"), replace=replace)


def test_what_is_there_is_written_over_when_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "kept.CSV"
    check_output(path, (".csv",), replace=False)
    path.write_text("a,b")
    check_output(path, (".csv",), replace=True)
    with pytest.raises(InputRefused, match="there already; allowed: another name, or --force"):
        check_output(path, (".csv",), replace=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "mine", "kept.zip"],
        ["export", "mine", "kept.csv"],
        ["export", "mine", "kept.parquet"],
        ["export", "kept.of"],
        ["compare", "mine", "mine", "--figure", "kept.svg"],
        ["new", "kept.yaml"],
        ["launch", "mine", "--metrics", "kept.prom"],
        ["report", "quickstart", "--folder", "kept"],
        ["launch", "quickstart", "--folder", "kept"],
    ],
)
def test_every_verb_that_writes_a_named_file_leaves_another_alone(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    names = [
        *(f"kept.{e}" for e in ("zip", "csv", "parquet", "svg", "yaml", "prom", "of.skipray.zip")),
        "kept/report.html",
    ]
    for name in names:
        (tmp_path / name).write_text("of somebody")
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert "kept" in said
    assert "allowed: " in said
    assert len(said.strip().splitlines()) == 1
    assert {(tmp_path / name).read_text() for name in names} == {"of somebody"}


def test_from_python_too(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/skipray.db"
    for export, path in ((export_table, tmp_path / "a.csv"), (export_sweep, tmp_path / "a.zip")):
        path.write_text("of somebody")
        with pytest.raises(InputRefused, match="there already"):
            export("mine", path, store)
        assert path.read_text() == "of somebody"


def test_a_launchs_metrics_are_written_over_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    path.write_text("# TYPE skipray_launch_running gauge\n")
    check_metrics(path)
    path.write_text("# TYPE node_load1 gauge\n")
    with pytest.raises(InputRefused, match="which no launch of skipray has written"):
        check_metrics(path)
