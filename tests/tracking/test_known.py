"""Trials that follow from results, as a tuned or adaptive sweep reads them out of the store."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from skipray import tracking
from skipray.records import EpochRecord
from skipray.search.tuning import Round, SeedScore, stages
from skipray.spec import Adaptive, SearchRange, SweepSpec, TrialSpec, Tune
from skipray.storage import TrialPlace

TUNE = Tune(space={"learning_rate": SearchRange(low=1e-3, high=1.0, scale="log")}, trials=4, seeds=(100,), extensions=0)


@pytest.fixture
def record(toys: SimpleNamespace, sqlite: str) -> Callable[..., None]:

    def one(sweep: SweepSpec, trial: TrialSpec, accuracy: float, outcome: str = "trained") -> None:
        address = tracking.prepare(sweep)
        lease = TrialPlace(tracking.storage_url(sweep), sweep.name, trial.trial_id).acquire()
        recorder = tracking.Recorder(address, trial, lease)
        recorder.start()
        epochs = (
            EpochRecord(0, 1_700_000_000_000, {"validation.accuracy": 0.1, "validation.loss": 2.3}),
            EpochRecord(1, 1_700_000_001_000, {"validation.accuracy": accuracy, "validation.loss": 1 - accuracy}),
        )
        recorder.finish(replace(toys.record(trial), epochs=epochs, outcome=outcome))

    return one


def test_a_tuned_sweep_through_the_store(toys: SimpleNamespace, record: Callable[..., None]) -> None:
    sweep = replace(toys.sweep("tuned", depths=(8,)), tune=TUNE)
    points = [t for t in sweep.trials() if t.phase == "tune"]
    assert tracking.known_trials(replace(sweep, name="never")) == tracking.KnownTrials(sweep.trials(), 2 * 2)
    for i, trial in enumerate(points[:-1]):
        record(sweep, trial, 0.5 + 0.1 * (i % 4), "diverged" if i == 1 else "trained")
    study = tracking.read_study(sweep, failed=False)
    assert study.scores[points[0].trial_id] == SeedScore("trained", 0.5, 0.5)
    assert study.scores[points[1].trial_id] == SeedScore("diverged", None, 0.4)
    assert tracking.known_trials(sweep) == tracking.KnownTrials(sweep.trials(), 4)
    record(sweep, points[-1], 0.99)
    known = tracking.known_trials(sweep)
    tuned = [t for t in known.trials if t.setting == "tuned"]
    assert (known.to_come, len(tuned)) == (0, 4)
    assert {t.recipe.learning_rate for t in tuned} == {points[3].recipe.learning_rate}
    for trial in tuned:
        record(sweep, trial, 0.7)
    table = tracking.read_trials(sweep)
    assert table["setting"].tolist() == ["point"] * 8 + ["tuned"] * 4
    assert table["point"].tolist()[:8] == [0, 1, 2, 3] * 2
    assert table["phase"].tolist() == ["tune"] * 8 + ["final"] * 4
    states = tracking.states(sweep)
    assert sorted(states) == sorted(table["trial_id"])


def test_points_of_tpe_are_found_by_their_studys_key(toys: SimpleNamespace, record: Callable[..., None]) -> None:
    tpe = TUNE.model_copy(update={"sampler": "tpe"})
    sweep = replace(toys.sweep("tpe", depths=(8,)), tune=tpe)
    study = tracking.read_study(replace(sweep, name="never"), failed=False)
    suggested = study.trials_of(0, 2, (("learning_rate", 0.0314159),))[0]
    record(sweep, suggested, 0.8)
    found = tracking.read_study(sweep, failed=False)
    assert [(p.number, p.setting) for p in found.points(0, ())] == [(2, (("learning_rate", 0.0314159),))]
    assert found.points(0, ())[0].trials[0].trial_id == suggested.trial_id
    other = TUNE.model_copy(update={"sampler": "tpe", "seeds": (101,)})
    assert tracking.read_study(replace(sweep, tune=other), failed=False).points(0, ()) == ()


def test_a_point_that_has_run_for_another_study_tells_its_score(
    toys: SimpleNamespace, record: Callable[..., None]
) -> None:
    sweep = replace(toys.sweep("tuned", depths=(8,)), tune=TUNE)
    for trial in sweep.trials():
        if trial.phase == "tune":
            record(sweep, trial, 0.5)
    more = replace(sweep, tune=TUNE.model_copy(update={"seeds": (100, 101)}))
    study = tracking.read_study(more, failed=False)
    told = [[score is not None for score in p.scores] for cell in (0, 1) for p in study.points(cell, ())]
    assert told == [[True, False]] * 8


def test_points_of_an_extension_are_told_from_the_first_ones(
    toys: SimpleNamespace, record: Callable[..., None]
) -> None:
    tune = TUNE.model_copy(update={"sampler": "tpe", "extensions": 1})
    sweep = replace(toys.sweep("tpe", depths=(8,)), tune=tune)
    high: Round = frozenset({("learning_rate", "high")})
    stage = stages(tune, (high,))[1]
    study = tracking.read_study(replace(sweep, name="never"), failed=False)
    suggested = study.trials_of(0, stage.numbers[0], (("learning_rate", 3.0),), stage.name)[0]
    record(sweep, suggested, 0.8)
    found = tracking.read_study(sweep, failed=False)
    assert found.points(0, ()) == ()
    assert [p.trials[0].trial_id for p in found.points(0, (high,))] == [suggested.trial_id]
    longer = replace(sweep, tune=tune.model_copy(update={"trials": 16}))
    assert tracking.read_study(longer, failed=False).points(0, (high,)) == ()


def test_of_an_adaptive_sweep_only_what_was_started(toys: SimpleNamespace, record: Callable[..., None]) -> None:
    adaptive = Adaptive(low=8, high=14, width=1.5, max_trials=9)
    sweep = replace(toys.sweep("frontier"), adaptive=adaptive)
    assert tracking.known_trials(sweep) == tracking.KnownTrials((), 0)
    assert tracking.read_trials(sweep).empty
    started = sweep.trials()[3]
    record(sweep, started, 0.8)
    assert tracking.known_trials(sweep).trials == (started,)
    assert tracking.read_trials(sweep)["trial_id"].tolist() == [started.trial_id]
