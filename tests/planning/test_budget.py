"""What fits into a budget, and what is lost first."""

from pathlib import Path

import pytest

from skipray.planning.budget import Budget, fit, losing_order, parse_budget
from skipray.search.tuning import settings_of
from skipray.spec import SweepSpec, load_sweep
from skipray.terminal.display import fit_lines

SWEEPS = Path(__file__).parents[2] / "sweeps"


@pytest.fixture(scope="module")
def sweep() -> SweepSpec:
    return load_sweep(SWEEPS / "quickstart.yaml", ["seeds=[0, 1, 2, 3, 4]"])


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("3h", Budget(seconds=10800)),
        ("90min", Budget(seconds=5400)),
        ("45m", Budget(seconds=2700)),
        ("1.5d", Budget(seconds=129600)),
        ("30 s", Budget(seconds=30)),
        ("100", Budget(trials=100)),
    ],
)
def test_budgets_are_read(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "h", "3 weeks", "-3h", "0", "0h", "1.5", "3h30"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="allowed: a time such as 3h"):
        parse_budget(text)


def test_later_seeds_go_before_depths_and_inner_depths_before_ends() -> None:
    order = losing_order([8, 20, 38, 56, 74, 110], [0, 1, 2, 3, 4])
    assert len(order) == len(set(order)) == 30
    assert {seed for _, seed in order[:6]} == {4}
    assert {seed for _, seed in order[6:12]} == {3}
    # 56 lies nearest to its neighbours (74 / 38 is the smallest ratio), then 74 (110 / 38 against 38 / 8 and 74 / 20).
    assert [depth for depth, _ in order[12:18]] == [56] * 3 + [74] * 3
    assert {depth for depth, _ in order[18:]} == {8, 20, 38, 110}
    assert {depth for depth, _ in order[-2:]} == {8, 110}


def test_what_fits_is_comparable(sweep: SweepSpec) -> None:
    whole = fit(sweep, sweep.trials(), lambda t: 1.0, Budget(trials=90))
    assert (whole.trials, whole.lost) == (90, ())
    part = fit(sweep, sweep.trials(), lambda t: 1.0, Budget(trials=60))
    assert part.trials <= 60
    kept = [t for t in sweep.trials() if part.keeps(t)]
    assert len(kept) == part.trials
    cells = {a: {(t.model.depth, t.seed) for t in kept if t.model.architecture == a} for a in ("plainnet", "resnet")}
    assert cells["plainnet"] == cells["resnet"] == part.kept


def test_time_is_wall_time(sweep: SweepSpec) -> None:
    def seconds(trial: object) -> float:
        return 10.0

    alone = fit(sweep, sweep.trials(), seconds, Budget(seconds=450))
    both = fit(sweep, sweep.trials(), seconds, Budget(seconds=450), concurrency=2)
    assert (alone.trials, both.trials) == (45, 90)
    assert alone.seconds == both.seconds == 450


def test_what_is_finished_costs_nothing(sweep: SweepSpec) -> None:
    left = sweep.trials()[:10]
    assert fit(sweep, left, lambda t: 1.0, Budget(trials=10)).lost == ()


def test_tuning_is_paid_by_the_depth_and_tuned_finals_are_counted() -> None:
    tuned = load_sweep(SWEEPS / "tuned-quickstart.yaml")
    whole = fit(tuned, tuned.trials(), lambda t: 1.0, Budget(trials=10_000))
    assert whole.trials == 18 * (8 + 2 * 5)
    small = fit(tuned, tuned.trials(), lambda t: 1.0, Budget(trials=150))
    assert small.trials <= 150
    depths = {depth for depth, _ in small.kept}
    points = [t for t in tuned.trials() if t.phase == "tune"]
    assert {t.model.depth for t in points if small.keeps(t)} == depths


def test_a_widened_range_is_told_beside_the_budget() -> None:
    tuned = load_sweep(SWEEPS / "tuned-quickstart.yaml")
    assert tuned.tune is not None
    first, widened = (len(settings_of(tuned.tune, r)) for r in ([], [frozenset({("learning_rate", "low")})]))
    whole = fit(tuned, tuned.trials(), lambda t: 1.0, Budget(trials=10_000))
    assert whole.extension == (widened - first) * len(tuned.tune.seeds) * len(tuned.cells) > 0
    assert f"(and {whole.extension} more for each side of a range that has to be widened)" in fit_lines(whole)[0]
    small = fit(tuned, tuned.trials(), lambda t: 1.0, Budget(trials=150))
    assert 0 < small.extension < whole.extension
    fixed = load_sweep(SWEEPS / "tuned-quickstart.yaml", ["tune.extensions=0"])
    assert fit(fixed, fixed.trials(), lambda t: 1.0, Budget(trials=10_000)).extension == 0


def test_a_budget_for_nothing_keeps_nothing(sweep: SweepSpec) -> None:
    assert fit(sweep, sweep.trials(), lambda t: 1.0, Budget(trials=2)).trials == 0
