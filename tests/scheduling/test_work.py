from dataclasses import replace

import pytest

from skipray.scheduling.work.protocol import FixedWork, TrialResult
from skipray.spec import SweepSpec, TrialSpec


def drain(work: FixedWork) -> list[TrialSpec]:
    trials = []
    while (trial := work.next()) is not None:
        trials.append(trial)
    return trials


def test_longest_first_and_equal_costs_in_the_given_order(sweep: SweepSpec) -> None:
    trials = sweep.trials()
    costs = [1.0, 3.0, 2.0, 3.0, 2.0, 1.0]
    handed = drain(FixedWork(trials, costs))
    cost = {t.trial_id: c for t, c in zip(trials, costs, strict=True)}
    assert [cost[t.trial_id] for t in handed] == [3.0, 3.0, 2.0, 2.0, 1.0, 1.0]
    one_family = [replace(trials[0], seed=seed) for seed in range(5)]
    assert drain(FixedWork(one_family, [1.0] * 5)) == one_family


def test_each_trial_once_then_exhausted(sweep: SweepSpec) -> None:
    work = FixedWork(sweep.trials(), [1.0] * 6)
    assert (work.remaining(), work.exhausted) == (6, False)
    assert {t.trial_id for t in drain(work)} == {t.trial_id for t in sweep.trials()}
    assert (work.remaining(), work.exhausted, work.next()) == (0, True, None)


def test_a_family_that_takes_longer_than_estimated_moves_ahead(sweep: SweepSpec) -> None:
    by_family = {t.model.architecture: t for t in sweep.trials()}
    plain = [replace(by_family["plainnet"], seed=s) for s in range(3)]
    resnext = [replace(by_family["resnext"], seed=s) for s in range(3)]
    work = FixedWork([*plain, *resnext], [10.0, 9.0, 8.0, 9.5, 6.0, 5.0])
    assert work.next() == plain[0]
    assert work.next() == resnext[0]
    work.tell(plain[0], TrialResult(plain[0].trial_id, "finished", train_seconds=10.0))
    work.tell(resnext[0], TrialResult(resnext[0].trial_id, "finished", train_seconds=19.0))
    # resnext takes twice its estimate: 12 and 10 against plainnet's 9 and 8.
    assert drain(work) == [resnext[1], resnext[2], plain[1], plain[2]]


def test_a_cost_for_each_trial(sweep: SweepSpec) -> None:
    with pytest.raises(ValueError, match="6 trials and 1 costs"):
        FixedWork(sweep.trials(), [1.0])
