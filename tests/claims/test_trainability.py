"""C1a, C1b and C11 on synthetic sweeps whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from skipray.claims import judge
from skipray.claims.judging.one_limit import no_limit
from skipray.spec.claims import LimitClaim
from skipray.trends import trainability_limit

DEPTHS = (8, 20, 38, 56, 74, 110)


def breaking(limits: dict[str, float], rng: np.random.Generator, spread: float = 0.2):
    """A measure: each family trains up to its limit, give or take a log-normal factor a trial."""

    def measure(family, depth, seed):
        trains = depth < limits[family] * np.exp(spread * rng.standard_normal())
        return {"outcome": "trained" if trains else "untrained", "train.accuracy": 0.99 if trains else 0.1}

    return measure


def limit_rate(table, verdict, limits: dict[str, float], wanted: str, repetitions: int = 10) -> float:
    found = [
        verdict("C1a", table(breaking(limits, np.random.default_rng(r)), seeds=5)).verdict for r in range(repetitions)
    ]
    return float(np.mean([v == wanted for v in found]))


def test_c1a_planted_null_and_reversed(table, verdict) -> None:
    assert limit_rate(table, verdict, {"plainnet": 30, "resnet": 90, "resnext": 95}, "supported") >= 0.8
    assert limit_rate(table, verdict, {"plainnet": 90, "resnet": 30, "resnext": 30}, "refuted") >= 0.8
    assert limit_rate(table, verdict, {"plainnet": 45, "resnet": 45, "resnext": 45}, "supported") <= 0.05 + 3 * np.sqrt(
        0.05 * 0.95 / 10
    )


def test_c1a_where_the_twins_never_break(table, verdict) -> None:
    trials = table(breaking({"plainnet": 30, "resnet": 1e9, "resnext": 1e9}, np.random.default_rng(0)), seeds=3)
    claim = verdict("C1a", trials)
    assert claim.verdict == "supported"
    assert claim.effect_unit == "doublings of depth"
    assert claim.low is not None
    assert claim.high is not None
    assert claim.effect is not None
    assert claim.low < claim.effect < claim.high
    assert claim.seeds == (0, 1, 2)
    assert claim.depths == DEPTHS
    assert "ResNet beyond 110, where 3 of 3 train" in claim.sentence


def test_c1a_names_the_limits_that_the_report_has(table, verdict) -> None:
    """PlainNet's trials are compared with each twin, and counted once."""
    trials = table(breaking({"plainnet": 45, "resnet": 500, "resnext": 500}, np.random.default_rng(3)), seeds=3)
    plain = trials[trials["architecture"] == "plainnet"]
    limit = trainability_limit(plain["depth"], plain["outcome"] == "trained", seed=plain["seed"])
    assert limit.depth is not None
    assert f"PlainNet near depth {limit.depth:.0f}" in verdict("C1a", trials).sentence


def test_c1a_where_nothing_breaks_is_open(table, verdict) -> None:
    trials = table(breaking(dict.fromkeys(("plainnet", "resnet", "resnext"), 1e9), np.random.default_rng(0)))
    assert verdict("C1a", trials).verdict == "inconclusive"


@pytest.mark.parametrize(("rise", "wanted"), [(0.0, "supported"), (0.05, "refuted")])
def test_c1b(rise: float, wanted: str, table, verdict) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        return {"train.accuracy": 0.99 - rise * np.log(depth / 8) / np.log(110 / 8) + 0.001 * rng.standard_normal()}

    claim = verdict("C1b", table(measure))
    assert claim.verdict == wanted
    assert claim.effect == pytest.approx(100 * rise, abs=0.3)
    assert claim.margin == 1.0
    assert "5 of 5 good runs there exclude a collapse rate above 52 %" in claim.sentence


def test_c1b_states_the_datas_own_change(table, verdict) -> None:
    """A cliff: 0 points up to depth 74 and 7 at 110."""
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        return {"train.accuracy": 1.0 - 0.07 * (depth == 110) - 1e-4 * rng.random()}

    claim = verdict("C1b", table(measure, seeds=3))
    assert claim.verdict == "refuted"
    assert claim.effect == pytest.approx(7.0, abs=0.05)
    assert "ResNet +7 points from depth 8 to 110 (along a line +" in claim.sentence


def test_c1b_of_one_family_is_in_part(table, verdict) -> None:
    """ResNet's error rises, ResNeXt's does not; a collapsed network is counted."""
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        lost = family == "resnet" and depth == 110
        return {
            "train.accuracy": 0.99 - 0.2 * lost + 1e-3 * rng.random(),
            "outcome": "untrained" if lost else "trained",
        }

    claim = verdict("C1b", table(measure))
    assert claim.verdict == "in part"
    assert claim.sentence.startswith("In part: ResNeXt's train error does not rise; ResNet's train error rises")
    assert "5 of 5 seeds do not train there" in claim.sentence


def test_c1b_counts_diverged_networks_as_wrong(table, verdict) -> None:
    """What a diverged network had reached before is not its accuracy."""

    def measure(family, depth, seed):
        outcome = "diverged" if depth >= 56 else "trained"
        return {"train.accuracy": 0.99 - 1e-4 * seed if depth < 74 else np.nan, "outcome": outcome}

    claim = verdict("C1b", table(measure))
    assert claim.verdict == "refuted"
    assert claim.effect > 50
    assert "+99 points from depth 8 to 110" in claim.sentence
    assert "30 of 60 networks diverged: their train error counts as 100 %." in claim.sentence


@pytest.mark.parametrize(("trains", "lead", "wanted"), [(1.0, 0.05, "supported"), (0.0, 0.05, "in part")])
def test_c11(trains: float, lead: float, wanted: str, table, verdict) -> None:
    """Eight seeds: of five, none says more than 3 % of a share of a half."""
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        plain = family == "plainnet"
        return {
            "initialisation": "dirac" if plain else "he_normal",
            "outcome": "trained" if trains or not plain else "untrained",
            "test.accuracy": 0.9 + (0 if plain else lead) + 0.005 * rng.standard_normal(),
        }

    claim = verdict("C11", table(measure, seeds=8, families=("plainnet", "resnet")))
    assert claim.verdict == wanted
    assert claim.parts[0].verdict == ("supported" if trains else "refuted")
    few = verdict("C11", table(measure, seeds=5, families=("plainnet", "resnet")))
    assert few.parts[0].verdict == "inconclusive"
    assert few.parts[0].p == pytest.approx(0.5**5 if trains else 1.0)


def searched(family: str, limit: float, depths: tuple[int, ...], first: int) -> pd.DataFrame:
    """As a search leaves them: a seed or two at each of a family's own depths, most of them about its limit."""
    rows = [
        (f"{family}-{d}-{s}", family, d, (first + s) % 8, "trained" if d < limit else "untrained")
        for i, d in enumerate(depths)
        for s in ([2 * i, 2 * i + 1] if abs(np.log(d / limit)) < 0.4 else [2 * i])
    ]
    return pd.DataFrame(rows, columns=["trial_id", "architecture", "depth", "seed", "outcome"])


def test_limits_that_were_searched_for_are_compared_by_all_trials() -> None:
    """Hardly two trials share depth and seed."""
    trials = pd.concat(
        [
            searched("plainnet", 27, (8, 12, 18, 22, 26, 30, 34, 40), 0),
            searched("resnet", 170, (40, 90, 130, 150, 164, 178, 190, 200), 1),
        ]
    )
    further = LimitClaim(id="x", kind="limit", family="resnet", direction="above", than="plainnet")
    found = {c.id: c for c in judge(trials, own=[further], factors=())}
    for claim in (found["x"], found["C1a"]):
        assert claim.verdict == "supported"
        assert claim.low is not None
        assert 1.5 < claim.low < np.log2(170 / 27) < claim.high
        assert set(claim.depths) == set(trials["depth"])
    assert "PlainNet near depth 28; ResNet near depth 170" in found["C1a"].sentence


def test_limits_are_compared_within_what_both_families_have(table) -> None:
    """Of width 64 there is one family alone, which says nothing of the other one's limit."""
    rng = np.random.default_rng(0)
    both = table(breaking({"a": 30, "b": 60}, rng), families=("a", "b")).assign(width=32)
    alone = table(breaking({"b": 1e9}, rng), families=("b",)).assign(width=64)
    trials = pd.concat([both, alone]).assign(trial_id=lambda t: range(len(t)))
    further = LimitClaim(id="x", kind="limit", family="b", direction="above", than="a")
    with_it, without = (judge(t, own=[further], factors=["width"])[0] for t in (trials, both))
    assert (with_it.verdict, with_it.effect) == (without.verdict, without.effect)
    apart = pd.concat([both[both["architecture"] == "a"], alone])
    found = judge(apart, own=[further], factors=["width"])[0]
    assert found.verdict == "not tested"
    assert found.reason == (
        "fewer than two depths of both families: twins share their width, and a has 32 and b 64; `a width=...` in a "
        "claim compares across it"
    )
    one = judge(both[both["seed"] == 0], own=[further], factors=["width"])[0]
    assert one.reason == "fewer than two seeds of both families"


def test_c1b_counts_runs_of_all_settings(table, verdict) -> None:
    """Of two widths one collapses: no seed is without a network that trains."""
    rng = np.random.default_rng(0)

    def measure(lost: bool):
        def of(family, depth, seed):
            falls = lost and depth == 110
            outcome = "untrained" if falls else "trained"
            return {"train.accuracy": 0.99 - 0.2 * falls + 1e-3 * rng.random(), "outcome": outcome}

        return of

    wide, narrow = (table(measure(lost)).assign(width=width) for lost, width in ((False, 128), (True, 8)))
    assert "5 of 10 runs do not train there" in verdict("C1b", pd.concat([wide, narrow], ignore_index=True)).sentence
    whole = verdict("C1b", pd.concat([wide, wide.assign(width=64)], ignore_index=True))
    assert "10 good runs of 5 seeds there exclude a collapse rate above 52 %" in whole.sentence


def test_c1b_says_nothing_of_networks_that_train_nowhere(table, verdict) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        trains = family == "resnext"
        accuracy = (0.99 if trains else 0.1) - 1e-3 * rng.random()
        return {"train.accuracy": accuracy, "outcome": "trained" if trains else "untrained"}

    claim = verdict("C1b", table(measure))
    assert claim.verdict == "supported"
    assert claim.sentence.endswith("no ResNet of depth 8 trains, which leaves no rise.")
    alone = verdict("C1b", table(measure, families=("plainnet", "resnet")))
    assert alone.verdict == "not tested"
    assert alone.reason == "no ResNet of depth 8 trains, which leaves no rise"


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ({"plainnet": 1, "resnet": 1, "resnext": 1}, "shallower ones or more seeds would tell"),
        ({"plainnet": 1e9, "resnet": 1e9, "resnext": 1e9}, "deeper networks or more seeds would tell"),
        ({"plainnet": 40, "resnet": 41, "resnext": 40}, "; more seeds would tell"),
    ],
)
def test_c1a_says_what_would_tell(table, verdict, limits: dict[str, float], wanted: str) -> None:
    claim = verdict("C1a", table(breaking(limits, np.random.default_rng(0)), seeds=3))
    assert wanted in claim.sentence


def test_c1b_of_what_collapses_in_between_is_refuted(table, verdict) -> None:
    """As good at both ends: 83 points worse at three depths between."""
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        lost = family == "resnet" and depth in (38, 56, 74)
        accuracy = (0.12 if lost else 0.95) + 0.002 * rng.standard_normal()
        return {"train.accuracy": accuracy, "outcome": "untrained" if lost else "trained"}

    claim = verdict("C1b", table(measure, families=("plainnet", "resnet")))
    assert claim.verdict == "refuted"
    assert claim.effect == pytest.approx(83, abs=0.5)
    assert claim.low is not None
    assert claim.low > 80
    assert "; in between +83" in claim.sentence


def again(family, depth, seed):
    """ResNet trains at the ends and not between; PlainNet and ResNeXt at all depths."""
    trains = family != "resnet" or depth not in (38, 56, 74)
    return {"outcome": "trained" if trains else "untrained", "train.accuracy": 0.95 if trains else 0.12}


def test_a_family_that_trains_again_at_deeper_networks_has_no_limit(table, verdict) -> None:
    reason = "ResNet has no one limit: 0 of 15 train at depths 38 to 74 and 5 of 5 at depth 110"
    alone = verdict("C1a", table(again, families=("plainnet", "resnet")))
    assert (alone.verdict, alone.reason) == ("not tested", reason)
    both = verdict("C1a", table(again))
    assert both.verdict == "inconclusive"
    assert both.sentence.endswith(f" {reason}.")
    claim = LimitClaim(id="x", kind="limit", family="resnet", direction="above", than="plainnet")
    (own,) = [c for c in judge(table(again, families=("plainnet", "resnet")), own=[claim]) if c.own]
    assert (own.verdict, own.reason) == ("not tested", reason)


def test_of_families_with_a_limit_and_stray_failures_few_are_said_to_have_none() -> None:
    rng = np.random.default_rng(0)
    depth, tries, found = np.repeat([8, 20, 38, 56, 74, 110], 5), 300, 0
    for _ in range(tries):
        share = 0.85 / (1 + (depth / 56) ** 4)
        trials = pd.DataFrame({"depth": depth, "trained": rng.random(len(depth)) < share})
        found += no_limit(trials, np.zeros(len(depth))) != ""
    assert found <= 0.01 * tries + 3 * np.sqrt(tries * 0.01 * 0.99)
