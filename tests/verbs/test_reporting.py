"""A report is not written over by one of fewer trials, nor by another sweep's."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from skipray import launch, report, tracking
from skipray.analysis import aggregation
from skipray.errors import InputRefused
from skipray.results.kept import FewerTrials, OtherSweep, keep_larger, keep_other
from skipray.sweep import Sweep
from skipray.terminal import display
from skipray.verbs.shared.reporting import report_on

SWEEP = Path(__file__).parents[2] / "sweeps" / "quickstart.yaml"


def test_a_report_of_fewer_trials_is_refused(tmp_path: Path) -> None:
    keep_larger(tmp_path, "small", 3)  # nothing is there
    (tmp_path / "claims.json").write_text(json.dumps({"sweep": "small", "trials": 4}))
    with pytest.raises(FewerTrials, match="found a report of 4 trials, this one would be of 3; allowed: --force"):
        keep_larger(tmp_path, "small", 3)
    keep_larger(tmp_path, "small", 4)
    keep_larger(tmp_path, "other", 3)
    (tmp_path / "claims.json").write_text("{torn")
    keep_larger(tmp_path, "small", 3)


def test_the_verb_refuses_before_a_file_is_touched_and_force_writes_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "claims.json").write_text(json.dumps({"sweep": "quickstart", "trials": 54}))
    monkeypatch.setattr(aggregation, "aggregate", lambda *a, **k: SimpleNamespace(trials=[1, 2], made_from=""))
    before = (tmp_path / "claims.json").read_bytes()
    assert launch.run(["report", str(SWEEP), "--folder", str(tmp_path)]) == 2
    assert "found a report of 54 trials" in capsys.readouterr().err
    assert (tmp_path / "claims.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["claims.json"]
    made: list[Any] = []

    def write(*arguments: Any, **options: Any) -> None:
        made.append(arguments)
        raise InputRefused("here a report is written")

    monkeypatch.setattr(report, "write", write)
    launch.run(["report", str(SWEEP), "--folder", str(tmp_path)])
    assert len(made) == 0
    launch.run(["report", str(SWEEP), "--folder", str(tmp_path), "--force"])
    assert len(made) == 1


@pytest.mark.parametrize("verb", ["report", "launch", "watch"])
def test_another_sweeps_report_is_not_written_over(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything runs for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "claims.json").write_text(json.dumps({"sweep": "other", "trials": 1}))
    assert launch.run([verb, str(SWEEP), "--folder", str(tmp_path)]) == 2
    said = "found a report of the sweep other, this one would be of quickstart; allowed: --force to write it over"
    assert said in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["claims.json"]
    with pytest.raises(OtherSweep, match="the sweep other"):
        Sweep.from_file(SWEEP).report(tmp_path)


@pytest.mark.parametrize("text", ["{torn", "[]", "{}", '{"sweep": 3}', '{"sweep": "mine"}', None])
def test_what_is_no_report_of_another_sweep_is_written_over(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "claims.json").write_text(text)
    keep_other(tmp_path, "mine")


def test_from_python_too_a_report_of_more_trials_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "claims.json").write_text(json.dumps({"sweep": "quickstart", "trials": 54}))
    monkeypatch.setattr(aggregation, "aggregate", lambda *a, **k: SimpleNamespace(trials=[1, 2], made_from=""))
    written: list[Any] = []
    monkeypatch.setattr(report, "write", lambda *a: written.append(a) or SimpleNamespace(html=tmp_path / "report.html"))
    sweep = Sweep.from_file(SWEEP)
    with pytest.raises(FewerTrials, match="found a report of 54 trials, this one would be of 2"):
        sweep.report(tmp_path)
    assert written == []
    assert sweep.report(tmp_path, force=True) == tmp_path / "report.html"


def test_on_the_sweeps_run_a_report_of_more_trials_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another folder holds no report, but the run that all folders share does."""
    spec = Sweep.from_file(SWEEP).spec
    made = SimpleNamespace(trials=[1, 2], made_from="")
    files = SimpleNamespace(html=tmp_path / "report.html", all=lambda: [tmp_path / "claims.json"])
    (tmp_path / "claims.json").write_text("{}")
    monkeypatch.setattr(aggregation, "aggregate", lambda *a, **k: made)
    monkeypatch.setattr(report, "write", lambda *a, **k: files)
    monkeypatch.setattr(report, "sweep_answer", lambda *a: "answer")
    monkeypatch.setattr(display, "aggregate_blocks", lambda *a: [])
    done: list[str] = []
    for name in ("log_files", "write_answer", "finish_sweep"):
        monkeypatch.setattr(tracking, name, lambda *a, name=name, **k: done.append(name))
    for logged, force, expected in ((54, False, 1), (54, True, 3), (2, False, 3), (0, False, 3)):
        claims = json.dumps({"sweep": "quickstart", "trials": logged}).encode()
        monkeypatch.setattr(tracking, "logged_file", lambda *a, claims=claims: claims)
        done.clear()
        report_on(spec, "sqlite:///none.db", tmp_path, "address", force=force)  # type: ignore[arg-type]
        assert done[-1] == "finish_sweep"
        assert len(done) == expected
