"""The search for depth limits without Ray: simulated families, several workers, launches that end in the middle."""

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from skipray.scheduling.work.adaptive import MAX_CANDIDATES, FrontierWork, thinned
from skipray.scheduling.work.protocol import TrialResult
from skipray.spec import Group, SweepSpec, TrialSpec, load_sweep

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sweep() -> SweepSpec:
    return load_sweep(ROOT / "sweeps" / "frontier.yaml", ["adaptive={low: 8, high: 400, width: 1.5, max_trials: 40}"])


def family(trial: TrialSpec) -> str:
    return trial.model.architecture


def drive(
    work: FrontierWork,
    outcome: Callable[[TrialSpec], str],
    *,
    workers: int = 2,
    stop_after: int | None = None,
    outcomes: dict[str, str] | None = None,
) -> dict[str, str]:
    """Trials last as long as they are deep. Returns trial_id -> outcome of what has ended."""
    ended = {} if outcomes is None else outcomes
    running: list[tuple[float, int, TrialSpec]] = []
    order, clock = itertools.count(), 0.0
    begun: set[str] = set()
    while True:
        while len(running) < workers and (trial := work.next()) is not None:
            assert trial.trial_id not in begun | set(ended), "none twice"
            begun.add(trial.trial_id)
            heapq.heappush(running, (clock + trial.model.depth, next(order), trial))
        if not running:
            assert work.exhausted, "nothing runs and nothing comes: the sweep would hang"
            return ended
        clock, _, trial = heapq.heappop(running)
        said = outcome(trial)
        if said == "failed":
            work.tell(trial, TrialResult(trial.trial_id, "failed", failure_class="error"))
            continue
        ended[trial.trial_id] = said
        if stop_after is not None and len(ended) >= stop_after:
            return ended
        work.tell(trial, TrialResult(trial.trial_id, "finished", outcome=said))  # type: ignore[arg-type]


def told(ended: dict[str, str]) -> dict[str, dict[str, str]]:
    """What a later launch reads of the trials that have ended."""
    return {trial_id: {"outcome": outcome} for trial_id, outcome in ended.items()}


def limits(plain: float, residual: float, dice: random.Random) -> Callable[[TrialSpec], str]:
    def outcome(trial: TrialSpec) -> str:
        limit = plain if family(trial) == "plainnet" else residual
        return "trained" if dice.random() < 1 / (1 + (trial.model.depth / limit) ** 8) else "untrained"

    return outcome


def test_candidates_are_every_depth_that_a_family_can_have(sweep: SweepSpec) -> None:
    depths = {cell.model.depth for cell in sweep.cells if cell.model.architecture == "plainnet"}
    assert depths == set(range(8, 401, 2))
    assert len(sweep.trials()) == 2 * len(depths) * len(sweep.seeds)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_it_finds_both_limits_and_stops(sweep: SweepSpec, workers: int) -> None:
    work = FrontierWork(sweep, {})
    ended = drive(work, limits(40, 150, random.Random(0)), workers=workers)
    assert len(ended) < 60
    for group, frontier in work.frontiers().items():
        truth = {"plainnet": 40, "resnet": 150}[group.architecture]
        assert frontier.verdict == "found"
        assert frontier.width <= 1.5
        assert frontier.low is not None
        assert frontier.high is not None
        assert frontier.low / 1.15 <= truth <= frontier.high * 1.15
    assert work.next() is None
    assert work.remaining() == 0


def test_a_limit_outside_the_range_is_said_to_be_there(sweep: SweepSpec) -> None:
    work = FrontierWork(sweep, {})
    ended = drive(work, lambda t: "untrained" if family(t) == "plainnet" else "trained")
    verdicts = {g.architecture: f.verdict for g, f in work.frontiers().items()}
    assert verdicts == {"plainnet": "below", "resnet": "beyond"}
    assert len(ended) < 50


def test_a_later_launch_goes_on_where_the_ledger_is(sweep: SweepSpec) -> None:
    dice = random.Random(4)
    outcome = limits(40, 150, dice)
    ended: dict[str, str] = {}
    for stop in (3, 9, 14):
        drive(FrontierWork(sweep, told(ended)), outcome, stop_after=stop, outcomes=ended)
        assert len(ended) == stop
    work = FrontierWork(sweep, told(ended))
    drive(work, outcome, outcomes=ended)
    assert all(f.verdict == "found" for f in work.frontiers().values())
    again = FrontierWork(sweep, told(ended))
    assert again.exhausted
    assert again.next() is None
    for group, frontier in again.frontiers().items():
        assert frontier.low == pytest.approx(work.frontiers()[group].low)


def test_failures_end_and_tell_nothing(sweep: SweepSpec) -> None:
    work = FrontierWork(sweep, {})
    assert drive(work, lambda trial: "failed") == {}
    for frontier in work.frontiers().values():
        assert (frontier.trials, frontier.verdict) == (0, "open")


def test_max_trials_and_budgets_hold(sweep: SweepSpec) -> None:
    dice = random.Random(1)

    def coin(trial: TrialSpec) -> str:
        return "trained" if dice.random() < 0.5 else "untrained"

    short = load_sweep(ROOT / "sweeps" / "frontier.yaml", ["adaptive.max_trials=5"])
    assert len(drive(FrontierWork(short, {}), coin, workers=4)) == 10
    assert len(drive(FrontierWork(sweep, {}, budget_trials=7), coin, workers=4)) == 7
    costs = {i: float(cell.model.depth) for i, cell in enumerate(sweep.cells)}
    ended = drive(FrontierWork(sweep, {}, seconds=costs, budget_seconds=500.0), coin)
    depth = {t.trial_id: t.model.depth for t in sweep.trials()}
    assert 400 < sum(depth[i] for i in ended) <= 500


def test_a_depth_has_no_more_trials_than_seeds() -> None:
    few = load_sweep(
        ROOT / "sweeps" / "frontier.yaml", ["seeds=[0, 1]", "adaptive={low: 8, high: 12, width: 1.01, max_trials: 40}"]
    )
    ended = drive(FrontierWork(few, {}), lambda t: "trained" if t.model.depth < 10 else "untrained")
    assert 0 < len(ended) <= 2 * 3 * 2


def test_thinned_depths_keep_the_ends_and_are_even_in_log_depth() -> None:
    depths = list(range(8, 1001, 2))
    few = thinned(depths)
    assert (few[0], few[-1]) == (8, 1000)
    assert len(few) <= MAX_CANDIDATES
    steps = [math.log(b / a) for a, b in itertools.pairwise([d for d in few if d > 60])]
    assert max(steps) < 1.5 * math.log(1000 / 8) / MAX_CANDIDATES
    assert thinned([8, 14]) == [8, 14]


def test_groups_are_the_factors_but_the_depth(sweep: SweepSpec) -> None:
    assert {t.cell.group for t in sweep.trials()} == {Group("plainnet"), Group("resnet")}


def test_the_seeds_of_a_group_are_used_alike(sweep: SweepSpec) -> None:
    """A limit is that of all seeds: a search that tries new depths with the first seed alone finds the first seed's."""
    by_id = {t.trial_id: t for t in sweep.trials()}
    ended = drive(FrontierWork(sweep, {}), limits(40, 150, random.Random(2)))
    for name in ("plainnet", "resnet"):
        used = Counter(by_id[i].seed for i in ended if family(by_id[i]) == name)
        assert max(used.values()) - min(used[s] for s in sweep.seeds) <= 1


def test_trained_is_judged_anew_when_a_better_network_is_found(sweep: SweepSpec) -> None:
    work = FrontierWork(sweep, {})
    scores = {"chance.accuracy": 0.1, "chance.loss": 2.3, "train.loss": 1.0}

    def end(trial: TrialSpec, accuracy: float) -> None:
        made = {**scores, "train.accuracy": accuracy}
        work.tell(trial, TrialResult(trial.trial_id, "finished", outcome="trained", scalars=made))

    trials = [work.next() for _ in range(8)]
    for trial in trials[:4]:
        assert trial is not None
        end(trial, 0.3)
    assert [one for s in work._searches.values() for one in s.trained] == [True] * 4, "nothing better is known"
    assert trials[4] is not None
    end(trials[4], 1.0)
    flat = [one for s in work._searches.values() for one in s.trained]
    assert (len(flat), sum(flat)) == (5, 1), "0.3 is less than half-way from 0.1 to 1"
