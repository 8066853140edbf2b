"""Reports of what a store holds of a sweep that is not finished: plain, tuned, adaptive; results are made up."""

from collections.abc import Callable, Sequence
from pathlib import Path

from skipray import tracking
from skipray.analysis.aggregation import Aggregate, aggregate
from skipray.spec import SweepSpec, TrialSpec, load_sweep

SWEEP = """\
name: unfinished
question: How far has it come?
dataset: {{name: digits}}
model: {{kind: mlp, width: 16, normalization: batch, initialisation: he_normal, activation: relu, residual_scale: 1}}
recipe: {{epochs: 1, batch_size: 128, learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4, schedule: constant,
  augmentation: none}}
factors: {{architecture: [plainnet, resnet]{depths}}}
seeds: [0, 1, 2]
{how}
"""
TUNE = "tune: {space: {learning_rate: {low: 1e-3, high: 1.0, scale: log}}, trials: 4, sampler: sobol, seeds: [100]}"
ADAPTIVE = "adaptive: {low: 8, high: 200, width: 1.5, max_trials: 20}"


def sweep_of(folder: Path, how: str = "", depths: str = ", depth: [8, 20]") -> SweepSpec:
    path = folder / "unfinished.yaml"
    path.write_text(SWEEP.format(how=how, depths=depths))
    return load_sweep(path)


def totals(made: Aggregate) -> tuple[int, int, int]:
    return (
        int(made.coverage["seeds"].sum()),
        int(made.coverage["finished"].sum()),
        int(made.coverage["missing"].sum()),
    )


def test_a_plain_sweep(uri: str, record: Callable, reported: Callable, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path)
    made, words = reported(sweep, tmp_path)
    assert totals(made) == (12, 0, 12)
    assert "none of the 12 trials has finished" in words
    assert "Figs. 3 and 4, training by epoch: they are drawn as soon as a trial has finished." in words

    record(sweep, sweep.trials()[:5])
    made, words = reported(sweep, tmp_path)
    assert totals(made) == (12, 5, 7)
    assert "Preliminary, from 5 of 12 trials." in words
    assert "7 missing" in words
    assert "What is missing runs with" in words
    assert "Figs. 3 and 4," not in words
    assert "Figs. 11 to 13, condition number by layer: skipray measure" in words, "no layers were recorded"


def test_a_tuned_sweep(uri: str, record: Callable, reported: Callable, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, TUNE)
    points = [t for t in tracking.known_trials(sweep, uri).trials if t.phase == "tune"]
    assert len(points) == 16
    record(sweep, points[:9])
    made, words = reported(sweep, tmp_path)
    assert len(made.tuning.points) == 9
    assert totals(made) == (12, 0, 12), "the answer rests on the tuned finals"
    assert "12 missing" in words
    assert made.limits == ()

    for _ in range(4):  # a choice on an edge asks for further points
        rest = [t for t in tracking.known_trials(sweep, uri).trials if t.phase == "tune"]
        record(sweep, [t for t in rest if t.trial_id not in tracking.winning_runs(sweep, uri)])
    tuned = [t for t in tracking.known_trials(sweep, uri).trials if t.setting == "tuned"]
    assert len(tuned) == 12
    record(sweep, tuned[:3])
    made, words = reported(sweep, tmp_path)
    assert totals(made) == (12, 3, 9)
    assert "Preliminary, from 3 of 12 trials." in words
    assert len(made.tuning.fairness) == 4, "a row per cell"

    (tmp_path / "strict").mkdir()
    strict = aggregate(sweep_of(tmp_path / "strict", f"{TUNE}\ntrained: {{fits: {{at_least: 1.0}}}}"), uri)
    assert set(strict.trials["outcome"]) == {"untrained"}, "what a made-up network reaches is below 1"
    assert set(strict.tuning.fairness["tuned.trained_share"].dropna()) == {0.0}, (
        "the sweep's definition, not the trial's tag"
    )


def test_an_adaptive_sweep(uri: str, record: Callable, reported: Callable, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, ADAPTIVE, depths="")
    made, words = reported(sweep, tmp_path)
    assert made.frontiers == ()
    assert "The sweep has no trials." in words

    def near(depth: int, seeds: Sequence[int]) -> list[TrialSpec]:
        plain = [t for t in sweep.trials() if t.model.architecture == "plainnet"]
        reached = max(t.model.depth for t in plain if t.model.depth <= depth)
        return [t for t in plain if t.model.depth == reached and t.seed in seeds]

    record(sweep, near(8, (0,)) + near(200, (0,)) + near(40, (0, 1)))
    made, words = reported(sweep, tmp_path)
    assert totals(made) == (4, 4, 0), "what it has started so far"
    ((group, frontier),) = made.frontiers
    assert group.architecture == "plainnet"
    assert frontier.verdict == "open"
    assert "The search for the limit of PlainNet is not finished." in words
