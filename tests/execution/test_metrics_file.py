"""What those who watch a cluster read of a launch."""

import contextlib
import math
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from skipray.errors import InputRefused
from skipray.execution import metrics_file
from skipray.execution.metrics_file import MetricsFile, check_metrics
from skipray.scheduling.work.events import Event
from skipray.scheduling.work.protocol import TrialResult
from skipray.spec import load_sweep
from skipray.terminal.progress import Progress
from skipray.terminal.standing import Standing

SWEEP = Path(__file__).parents[2] / "sweeps" / "quickstart.yaml"


def read(path: Path) -> dict[tuple[str, ...], float]:
    """(name, labels but the sweep's ...) -> value."""
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            assert sample.labels["sweep"] == "mine"
            found[sample.name, *(v for k, v in sample.labels.items() if k != "sweep")] = sample.value
    return found


def test_it_says_where_a_launch_stands_and_how_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(metrics_file, "EVERY_SECONDS", 0.0)
    path = tmp_path / "mine.prom"
    trials = load_sweep(SWEEP).trials()
    progress = Progress(trials, {trials[9].trial_id: "finished"}, {t.trial_id: 1.0 for t in trials})
    with contextlib.suppress(KeyboardInterrupt), MetricsFile(path, "mine", print) as file:
        before = read(path)
        assert before["skipray_launch_running",] == 1
        assert math.isnan(before["skipray_launch_left_seconds",])
        for trial in trials[:3]:
            progress.on_event(Event("started", trial, 1))
        progress.on_event(Event("again", trials[0], 1, TrialResult(trials[0].trial_id, "lost", failure_class="lost")))
        progress.on_event(
            Event("failed", trials[1], 1, TrialResult(trials[1].trial_id, "failed", failure_class="error"))
        )
        progress.on_event(Event("finished", trials[2], 1, TrialResult(trials[2].trial_id, "finished")))
        file.update(progress.standing)
        told = read(path)
        raise KeyboardInterrupt
    states = {state: told["skipray_trials", state] for state in ("finished", "running", "failed", "missing")}
    assert states == {"finished": 2, "running": 0, "failed": 1, "missing": len(trials) - 3}
    assert told["skipray_attempts_failed", "lost"] == told["skipray_attempts_failed", "error"] == 1
    assert told["skipray_launch_left_seconds",] >= 0
    after = read(path)
    assert after["skipray_launch_running",] == 0
    assert after["skipray_trials", "finished"] == 2
    assert list(tmp_path.iterdir()) == [path], "no half-written file is left"


def test_it_is_written_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "mine.prom"
    with MetricsFile(path, "mine", print) as file:
        file.update(lambda: Standing({"finished": 1}))
        assert ("skipray_trials", "finished") not in read(path)
        file.update(lambda: Standing({"finished": 2}, seconds_left=0.0))
    assert read(path)["skipray_trials", "finished"] == 2


@pytest.mark.parametrize("name", ["mine.txt", "nowhere/mine.prom", "folder.prom"])
def test_what_can_never_be_written_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.prom").mkdir()
    with pytest.raises(InputRefused, match=r"--metrics: found .*; allowed: "):
        check_metrics(tmp_path / name)


def test_a_disk_that_fills_ends_no_launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_file, "EVERY_SECONDS", 0.0)
    folder, said = tmp_path / "gone", list[str]()
    folder.mkdir()
    with MetricsFile(folder / "mine.prom", "mine", said.append) as file:
        (folder / "mine.prom").unlink()
        folder.rmdir()
        file.update(lambda: Standing({"finished": 1}))
        file.update(lambda: Standing({"finished": 2}))
    assert len(said) == 1
    assert "the launch goes on without it" in said[0]
