"""What the sweep's run in MLflow says while a launch goes on."""

from pathlib import Path

from skipray.execution.live_answer import LiveAnswer
from skipray.scheduling.work.events import Event
from skipray.scheduling.work.protocol import TrialResult
from skipray.spec import load_sweep
from skipray.tracking import Address

SWEEP = load_sweep(Path(__file__).parents[2] / "sweeps" / "quickstart.yaml")


def test_counts_and_accuracies_so_far() -> None:
    live = LiveAnswer(SWEEP, Address("sqlite:///x.db", "1", "2", "x"), total=54, finished=10)
    trials = [t for t in SWEEP.trials() if t.model.architecture == "plainnet" and t.model.depth == 8]
    for trial, accuracy in zip(trials, (0.25, 0.75, 0.8), strict=True):
        scalars = {"train.accuracy": accuracy}
        live.on_event(Event("started", trial, 1))
        live.on_event(Event("finished", trial, 1, TrialResult(trial.trial_id, "finished", scalars=scalars)))
    live.on_event(Event("failed", trials[-1], 1, TrialResult(trials[-1].trial_id, "failed")))
    answer = live.answer()
    assert answer.metrics == {"trials.total": 54.0, "trials.finished": 13.0, "trials.failed": 1.0}
    assert "13 of 54 trials finished, 1 failed" in answer.headline
    assert "| plainnet | train accuracy | 0.600 |" in answer.note
