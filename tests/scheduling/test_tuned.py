"""Tuned sweeps without Ray: a simulated event loop, a fake ledger, kills at any moment."""

import heapq
import itertools
import math
import random
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import optuna
import pytest

from skipray.scheduling.work.protocol import TrialResult
from skipray.scheduling.work.studies import Studies
from skipray.scheduling.work.tuned import TunedWork
from skipray.search.finals import default_finals, finals
from skipray.search.study import Study
from skipray.search.tuning import SeedScore
from skipray.spec import SweepSpec, TrialSpec, load_sweep

ROOT = Path(__file__).resolve().parents[2]
Truth = Callable[[TrialSpec], SeedScore]


def tuned_sweep(*overrides: str) -> SweepSpec:
    return load_sweep(ROOT / "sweeps" / "tuned-quickstart.yaml", overrides)


SMALL = tuned_sweep("factors.depth=[8, 20]", "seeds=[0, 1]", "factors.architecture=[plainnet, resnet]")
EIGHTEEN = tuned_sweep()


def peak_at(best: Callable[[TrialSpec], float]) -> Truth:
    """Accuracy falls with the distance from the cell's best learning rate, in decades; far above it all diverges."""

    def truth(trial: TrialSpec) -> SeedScore:
        distance = math.log10(trial.recipe.learning_rate / best(trial))
        if distance > 1.0:
            return SeedScore("diverged")
        accuracy = round(0.95 - 0.2 * distance**2, 4)
        return SeedScore("trained" if accuracy > 0.2 else "untrained", accuracy, 1 - accuracy)

    return truth


def by_depth(trial: TrialSpec) -> float:
    return 0.8 / trial.model.depth


@dataclass
class Ledger:
    """What a tracking store would keep: finished trials, and the tags of tuning points."""

    scores: dict[str, SeedScore] = field(default_factory=dict)
    points: dict[tuple[str, int], TrialSpec] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)


class Killed(Exception):
    """The driver, by us."""


def seconds(trial: TrialSpec) -> float:
    return float(trial.model.depth)


def drive(
    sweep: SweepSpec,
    truth: Truth,
    ledger: Ledger,
    journal: Path | None,
    *,
    workers: int = 2,
    kill_after: int | None = None,
    noise: Callable[[TrialSpec], float] = lambda trial: 1.0,
) -> tuple[TunedWork, list[tuple[float, float]]]:
    """A launch: from the ledger to the end, or until it is killed after so many results. Returns the intervals during
    which workers were busy."""
    study = Study(sweep)
    for (key, number), trial in ledger.points.items():
        study.add(key, number, tuple((n, getattr(trial.recipe, n)) for n in study.tune.space))
    study.scores |= {i: s for i, s in ledger.scores.items() if s.outcome != "failed"}
    work = TunedWork(study, Studies(study, journal), seconds, finished=list(ledger.scores))
    clock, told = 0.0, 0
    running: list[tuple[float, int, TrialSpec]] = []
    busy: list[tuple[float, float]] = []
    order = itertools.count()
    while True:
        while len(running) < workers and (trial := work.next()) is not None:
            ledger.runs[trial.trial_id] += 1
            if trial.phase == "tune":
                assert trial.point is not None
                ledger.points[trial.study, trial.point] = trial
            duration = seconds(trial) * noise(trial)
            busy.append((clock, clock + duration))
            heapq.heappush(running, (clock + duration, next(order), trial))
        if not running:
            assert work.exhausted, "nothing runs and nothing comes: the sweep would hang"
            return work, busy
        clock, _, trial = heapq.heappop(running)
        score = truth(trial)
        if score.outcome != "failed":
            ledger.scores[trial.trial_id] = score
        told += 1
        if kill_after is not None and told >= kill_after:
            raise Killed
        scalars = {} if score.loss is None else {"validation.loss": score.loss}
        status = "failed" if score.outcome == "failed" else "finished"
        outcome = None if score.outcome == "failed" else score.outcome
        work.tell(
            trial,
            TrialResult(
                trial.trial_id,
                status,  # type: ignore[arg-type]
                outcome=outcome,  # type: ignore[arg-type]
                validation_accuracy=score.accuracy,
                scalars=scalars,
            ),
        )


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def test_every_cell_gets_the_same_points_and_its_own_choice() -> None:
    ledger = Ledger()
    work, _ = drive(SMALL, peak_at(by_depth), ledger, None)
    decision = work.decision
    assert decision.complete
    settings = {tuple(p.setting for p in c.points) for c in decision.choices}
    assert len(settings) == 1, "paired"
    for choice in decision.choices:
        chosen = dict(choice.setting or ())["learning_rate"]
        tried = [dict(p.setting)["learning_rate"] for p in choice.points]
        assert chosen == min(tried, key=lambda x: abs(math.log(x / by_depth(choice.cell))))
    wanted = {t.trial_id for t in (*finals(SMALL, decision), *default_finals(SMALL))}
    assert wanted <= set(ledger.scores)
    assert set(ledger.runs.values()) == {1}
    assert {t.trial_id for t in work.study.trials()} == set(ledger.scores)


@pytest.mark.parametrize("edge", ["none", "high", "low and high"])
def test_killed_at_any_moment_a_resumed_launch_ends_like_an_undisturbed_one(tmp_path: Path, edge: str) -> None:
    def best(trial: TrialSpec) -> float:
        if edge == "none":
            return by_depth(trial)
        if trial.model.depth == 20:
            return 5.0
        return 1e-4 if edge == "low and high" else 0.05

    truth = peak_at(best)
    undisturbed = Ledger()
    expected, _ = drive(SMALL, truth, undisturbed, tmp_path / "undisturbed.log")
    assert bool(expected.decision.rounds) == (edge != "none")
    total = len(undisturbed.scores)
    dice = random.Random(edge)
    for kills in ([1], [7], [total - 1], *([dice.randrange(1, 12) for _ in range(6)] for _ in range(3))):
        journal = tmp_path / f"{'-'.join(map(str, kills))}.log"
        ledger = Ledger()
        for kill in kills:
            with pytest.raises(Killed):
                drive(SMALL, truth, ledger, journal, kill_after=kill, workers=dice.randrange(1, 4))
            if dice.random() < 0.5:  # in the middle of a write
                with journal.open("ab") as file:
                    file.write(b'{"op_code": 4, "wor')
        finished_before = dict(ledger.scores)
        runs_before = Counter(ledger.runs)
        work, _ = drive(SMALL, truth, ledger, journal)
        assert ledger.scores == undisturbed.scores
        assert work.decision == expected.decision
        assert all(ledger.runs[i] == runs_before[i] for i in finished_before), "none doubled"
        shown = {s.study_name: s.trials for s in work._studies.studies}
        for trials in shown.values():
            assert all(t.state.is_finished() for t in trials)
            numbers = Counter(t.user_attrs["skipray.point"] for t in trials)
            assert set(numbers.values()) == {1}
            assert len(numbers) == work.study.count(work.decision.rounds)


@pytest.mark.parametrize("sampler", ["sobol", "tpe"])
def test_nan_losses_in_a_third_of_the_points(tmp_path: Path, sampler: str) -> None:
    sweep = tuned_sweep("factors.depth=[8, 20]", "seeds=[0, 1]", f"tune.sampler={sampler}")
    usual = peak_at(by_depth)
    dice = random.Random(3)

    def truth(trial: TrialSpec) -> SeedScore:
        luck = dice.random()
        if trial.phase == "final" or luck > 1 / 3:
            return usual(trial)
        return (SeedScore("diverged"), SeedScore("diverged", math.nan, math.nan), SeedScore("failed"))[int(luck * 9)]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ledger = Ledger()
        work, _ = drive(sweep, truth, ledger, tmp_path / "journal.log")
    assert work.decision.complete
    states = Counter(t.state.name for s in work._studies.studies for t in s.trials)
    assert set(states) == {"COMPLETE", "PRUNED", "FAIL"}
    assert states.total() == 6 * work.study.count(work.decision.rounds)
    for s in work._studies.studies:
        for t in s.trials:
            outcome = t.user_attrs["skipray.outcome"]
            assert t.state.name == {"diverged": "PRUNED", "failed": "FAIL"}.get(outcome, "COMPLETE")


def test_all_diverged_and_all_failed_end_too() -> None:
    diverged, _ = drive(SMALL, lambda t: SeedScore("diverged"), Ledger(), None)
    assert all(c.untrainable and not c.edges for c in diverged.decision.choices)
    assert len(finals(SMALL, diverged.decision)) == 8, "the divergence is shown with fresh seeds"
    failed, _ = drive(SMALL, lambda t: SeedScore("failed"), Ledger(), None)
    assert all(c.best is None and not c.untrainable for c in failed.decision.choices)
    assert finals(SMALL, failed.decision) == ()


@pytest.mark.parametrize("best", [by_depth, lambda trial: 5.0], ids=["inside", "extended"])
@pytest.mark.parametrize("seed", range(3))
def test_cells_interleave_and_two_workers_are_idle_for_less_than_five_percent(
    best: Callable[[TrialSpec], float], seed: int
) -> None:
    dice = random.Random(seed)
    assert len(EIGHTEEN.cells) == 18
    work, busy = drive(EIGHTEEN, peak_at(best), Ledger(), None, noise=lambda trial: dice.uniform(0.6, 1.6))
    span = max(end for _, end in busy) - min(begin for begin, _ in busy)
    idle = 1 - sum(end - begin for begin, end in busy) / (2 * span)
    assert idle < 0.05
    assert bool(work.decision.rounds) == (best is not by_depth)


def test_no_cell_is_ahead_of_another_by_more_than_a_point() -> None:
    study = Study(EIGHTEEN)
    work = TunedWork(study, Studies(study), seconds)
    handed: Counter[str] = Counter()
    for _ in range(18 * 8):
        trial = work.next()
        assert trial is not None
        assert trial.phase == "tune"
        handed[trial.study] += 1
        counts = [handed[key] for key in study.keys]
        assert max(counts) - min(counts) <= 1
    following = work.next()
    assert following is not None
    assert following.setting == "default", "finals fill the wait"


def test_tpe_points_are_found_again(tmp_path: Path) -> None:
    sweep = tuned_sweep("factors.depth=[8, 20]", "seeds=[0, 1]", "tune.sampler=tpe", "factors.architecture=[resnet]")
    assert all(t.phase == "final" for t in sweep.trials())
    ledger, journal, truth = Ledger(), tmp_path / "journal.log", peak_at(by_depth)
    for kill in (1, 5, 9):
        with pytest.raises(Killed):
            drive(sweep, truth, ledger, journal, kill_after=kill)
    journal.unlink()  # a new head node
    work, _ = drive(sweep, truth, ledger, journal)
    points = Counter(key for key, _ in ledger.points)
    assert set(points.values()) == {work.study.count(work.decision.rounds)}
    assert {t.trial_id for t in work.study.trials()} == set(ledger.scores)
    tried = [dict(p.setting)["learning_rate"] for p in work.study.points(0, ())]
    assert len(set(tried)) == 8


def test_a_damaged_journal_is_kept_and_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger, journal = Ledger(), tmp_path / "journal.log"
    drive(SMALL, peak_at(by_depth), ledger, journal)
    journal.write_bytes(b"not a journal\n" + journal.read_bytes())
    work, _ = drive(SMALL, peak_at(by_depth), ledger, journal)
    assert "made again" in caplog.text
    assert journal.with_suffix(".damaged").exists()
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
    assert len(optuna.get_all_study_names(storage)) == 4
    assert set(ledger.runs.values()) == {1}
    assert work.exhausted


def test_a_point_that_was_found_finished_is_looked_up() -> None:
    study = Study(SMALL)
    work = TunedWork(study, Studies(study), seconds, look_up=lambda trial: SeedScore("trained", 0.5, 1.0))
    trial = work.next()
    assert trial is not None
    work.tell(trial, TrialResult(trial.trial_id, "finished", message="found finished in the tracking store"))
    assert study.scores[trial.trial_id] == SeedScore("trained", 0.5, 1.0)


TPE = ("factors.depth=[8, 20]", "seeds=[0, 1]", "factors.architecture=[plainnet, resnet]", "tune.sampler=tpe")


def tpe(*overrides: str) -> SweepSpec:
    return tuned_sweep(*TPE, "tune.space.learning_rate={low: 0.001, high: 0.3, scale: log}", *overrides)


def edgy(trial: TrialSpec) -> float:
    """Best beyond the range at one depth, so that it is extended."""
    return 5.0 if trial.model.depth == 20 else 0.05


def rates(work: TunedWork, cell: int) -> list[float]:
    return [dict(p.setting)["learning_rate"] for p in work.study.points(cell, work.decision.rounds)]


@pytest.mark.parametrize("best", [by_depth, edgy], ids=["inside", "extended"])
@pytest.mark.parametrize("space", [(), ("tune.space.weight_decay={low: 1e-6, high: 1e-2, scale: log}",)])
def test_tpe_points_follow_from_the_file_alone(
    tmp_path: Path, best: Callable[[TrialSpec], float], space: tuple[str, ...]
) -> None:
    sweep, truth = tpe("tune.seeds=[100, 101]", *space), peak_at(best)
    undisturbed = Ledger()
    expected, _ = drive(sweep, truth, undisturbed, None, workers=1)
    assert expected.decision.rounds or best is by_depth
    dice = random.Random(8)
    for workers in (2, 3, 16):
        journal, ledger = tmp_path / f"{workers}.log", Ledger()
        for _ in range(4):
            with pytest.raises(Killed):
                drive(sweep, truth, ledger, journal, kill_after=dice.randrange(1, 16), workers=workers)
        work, _ = drive(sweep, truth, ledger, journal, workers=workers, noise=lambda trial: dice.uniform(0.5, 2))
        assert ledger.scores == undisturbed.scores
        assert work.decision == expected.decision


@pytest.mark.parametrize("best", [by_depth, edgy], ids=["inside", "extended"])
@pytest.mark.parametrize(("before", "now"), [(4, 8), (8, 4), (2, 16)])
def test_tpe_chooses_the_same_whichever_number_of_trials_ran_before(
    best: Callable[[TrialSpec], float], before: int, now: int
) -> None:
    truth, ledger = peak_at(best), Ledger()
    fresh, _ = drive(tpe(f"tune.trials={now}"), truth, Ledger(), None)
    drive(tpe(f"tune.trials={before}"), truth, ledger, None)
    again, _ = drive(tpe(f"tune.trials={now}"), truth, ledger, None)
    assert again.decision == fresh.decision
    for cell in range(4):
        first, extension = rates(again, cell)[:now], rates(again, cell)[now:]
        assert all(0.001 <= rate <= 0.3 for rate in first)
        assert bool(extension) == bool(again.decision.rounds)
        assert all(rate < 0.001 or rate > 0.3 for rate in extension), "a range is extended by tries beyond it"


def test_tpe_points_of_earlier_skiprays_count_for_the_ranges_that_they_lie_in() -> None:
    """Up to 0.2 the points of an extension were numbered on, over the whole extended range."""
    study = Study(tpe("tune.trials=4"))
    ledger = Ledger()
    for cell, key in enumerate(study.keys):
        for number, rate in enumerate([0.002, 0.01, 0.05, 0.29, 2.0 + cell, 0.1]):
            trial = study.trials_of(cell, number, (("learning_rate", rate),))[0]
            ledger.points[key, number] = trial
            ledger.scores[trial.trial_id] = SeedScore("trained", 0.9 if rate == 0.29 else 0.5, 1.0)
    points = dict(ledger.points)
    work, _ = drive(tpe("tune.trials=4"), peak_at(edgy), ledger, None)
    assert ledger.points == points, "nothing is left to be tuned"
    assert rates(work, 2) == [0.002, 0.01, 0.05, 0.29, 4.0, 0.1]
    longer, _ = drive(tpe("tune.trials=8", "tune.extensions=0"), peak_at(edgy), ledger, None)
    assert rates(longer, 2)[:4] == [0.002, 0.01, 0.05, 0.29]
    assert all(0.001 <= rate <= 0.3 for rate in rates(longer, 2)), "no rate from beyond the range"
    assert rates(longer, 2)[5] == 0.1


def test_a_sampler_that_repeats_itself_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skipray.scheduling.work.tuned.suggest", lambda asked: (("learning_rate", 0.01),))
    ledger = Ledger()
    work, _ = drive(tpe(), peak_at(by_depth), ledger, None, workers=3)
    assert work.decision.complete
    assert set(ledger.runs.values()) == {1}
