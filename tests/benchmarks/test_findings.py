"""bench_findings.py of a store without a finished quickstart ends in one line and 2."""

import sys
from pathlib import Path

import bench_findings
import pytest
from mlflow import MlflowClient


def refused(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["bench_findings.py", "--store", str(store)])
    with pytest.raises(SystemExit) as leaving:
        bench_findings.main()
    told = capsys.readouterr()
    assert (leaving.value.code, told.out) == (2, ""), "no half of a table"
    return told.err.splitlines()[-1]


def test_a_folder_without_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "found no " in refused(tmp_path, monkeypatch, capsys)


def test_a_store_without_the_quickstart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    MlflowClient(f"sqlite:///{tmp_path}/skipray.db").create_experiment("another")
    assert "found 0 of the quickstart's 54 trials finished" in refused(tmp_path, monkeypatch, capsys)
