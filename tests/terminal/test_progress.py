"""What a launch shows while it runs: accuracies, what runs, 80 columns, the time that is left."""

import io
import math
import random
from pathlib import Path

import pytest
from rich.console import Console

from skipray.scheduling.work.events import Event
from skipray.scheduling.work.protocol import TrialResult
from skipray.spec import TrialSpec, load_sweep
from skipray.terminal import progress as shown
from skipray.terminal.progress import Progress
from skipray.terminal.time_left import TimeLeft

SWEEP = Path(__file__).parents[2] / "sweeps" / "quickstart.yaml"


def finished(trial: TrialSpec, accuracy: float) -> Event:
    scalars = {"train.accuracy": accuracy, "validation.accuracy": accuracy / 2}
    return Event("finished", trial, 1, TrialResult(trial.trial_id, "finished", outcome="trained", scalars=scalars))


def test_a_terminal_of_80_columns_shows_accuracies_and_what_runs() -> None:
    trials = load_sweep(SWEEP).trials()
    progress = Progress(trials, {}, {t.trial_id: 1.0 for t in trials})
    for trial in trials[:9]:
        progress.on_event(Event("started", trial, 1))
    for trial in trials[:3]:
        progress.on_event(finished(trial, 0.875))
    progress.on_event(Event("failed", trials[3], 1, TrialResult(trials[3].trial_id, "failed", message="no")))
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    console.print(progress._render())
    text = out.getvalue()
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith(f"3/{len(trials)} trials") and line.endswith("1 failed") for line in lines), text
    assert "train accuracy" in text
    assert "0.88" in text
    assert trials[4].label in text
    assert "and 1 more" in text


def test_a_line_names_what_has_finished(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "LINE_SECONDS", 0.0)
    trials = load_sweep(SWEEP).trials()
    progress = Progress(trials, {}, {})
    progress.on_event(finished(trials[0], 0.5))
    assert f"{trials[0].label}, train accuracy 0.500, validation accuracy 0.250" in capsys.readouterr().err


def test_a_trial_that_started_over_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    trials = load_sweep(SWEEP).trials()
    result = TrialResult(trials[0].trial_id, "finished", outcome="trained", message="it started over: found [no] state")
    Progress(trials, {}, {}).on_event(Event("finished", trials[0], 1, result))
    assert f"{trials[0].label}: it started over: found [no] state" in capsys.readouterr().err


def test_a_line_of_a_network_that_is_not_trained_has_no_accuracy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "LINE_SECONDS", 0.0)
    trials = load_sweep(SWEEP, ["recipe.epochs=0"]).trials()
    progress = Progress(trials, {}, {})
    progress.on_event(finished(trials[0], 0.1))
    said = capsys.readouterr().err
    assert trials[0].label in said
    assert "accuracy" not in said


@pytest.mark.parametrize("lost", [0.0, 0.1], ids=["quiet", "attempts are lost"])
@pytest.mark.parametrize("gap", [0.0, 1.0], ids=["at once", "a second between trials"])
@pytest.mark.parametrize("seed", range(5))
def test_the_time_left_is_known_within_a_quarter_from_a_third_on(seed: int, gap: float, lost: float) -> None:
    """Four at once, longest first; each takes a fixed cost and its work at an unknown rate, give or take 20 %.

    Of some attempts the process dies on the way, and another trial takes its place after three seconds.
    """
    draw = random.Random(seed)
    estimates = {f"t{i}": 12.0 / (1 + i) ** 0.7 for i in range(108)}
    seconds = {name: (1.5 + 0.4 * e) * draw.uniform(0.8, 1.2) for name, e in estimates.items()}
    left = TimeLeft(estimates)
    waiting, running, now, told = list(estimates), dict[str, tuple[float, bool]](), 0.0, list[tuple[float, float]]()
    free = [0.0] * 4  # when each place is free
    while waiting or running:
        while waiting and free and min(free) <= now:
            free.remove(min(free))
            name = waiting.pop(0)
            left.begun(name, now)
            dies = draw.random() < lost
            running[name] = (now + seconds[name] * (draw.random() if dies else 1.0), not dies)
        ends = {name: end for name, (end, _) in running.items()}
        if waiting and free and min(free) < min(ends.values(), default=math.inf):
            now = min(free)
            continue
        name = min(ends, key=lambda of: ends[of])
        now, finished = running.pop(name)
        left.ended(name, now, finished=finished)
        free.append(now + gap + (0.0 if finished else 3.0))
        if not finished:
            waiting.append(name)
        guess = left.seconds([*waiting, *running], now)
        if guess is not None:
            told.append((now, guess))
    for when, guess in told:
        if now / 3 <= when <= 0.8 * now:
            assert abs(when + guess - now) <= 0.25 * (now - when), (when, guess, now)


def test_nothing_is_said_before_a_trial_has_ended() -> None:
    left = TimeLeft({"a": 1.0, "b": 0.0})
    left.begun("a", 0.0)
    assert left.seconds(["a", "b"], 5.0) is None
    left.ended("a", 5.0, finished=False)
    assert left.seconds(["a", "b"], 5.0) is None, "what was interrupted tells nothing"
