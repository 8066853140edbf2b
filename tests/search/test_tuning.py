"""Points, choices, edges and extensions: the same in every cell, and the same however often they are worked out."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skipray.search.fairness import STABLE_RATE, fairness_table
from skipray.search.finals import default_finals, finals
from skipray.search.study import Study
from skipray.search.tuning import Point, SeedScore, best_point, edges_of, extended, settings_of
from skipray.spec import SearchRange, SweepSpec, Tune, load_sweep
from skipray.spec.points import first_points, fraction, place, sobol_points, study_key

ROOT = Path(__file__).parents[2]
RATE = SearchRange(low=1e-3, high=1.0, scale="log")
HIGH, LOW = frozenset({("learning_rate", "high")}), frozenset({("learning_rate", "low")})


def tune(trials: int = 8, extensions: int = 1, **space: SearchRange) -> Tune:
    return Tune(space=space or {"learning_rate": RATE}, trials=trials, seeds=(100,), extensions=extensions)


def sweep(*overrides: str) -> SweepSpec:
    small = ("factors.depth=[8, 20]", "seeds=[0, 1]", "factors.architecture=[plainnet, resnet]")
    return load_sweep(ROOT / "sweeps" / "tuned-quickstart.yaml", [*small, *overrides])


def point(number: int, rate: float, *scores: SeedScore) -> Point:
    return Point(number, (("learning_rate", rate),), (), tuple(scores))


def trained(accuracy: float, loss: float = 1.0) -> SeedScore:
    return SeedScore("trained", accuracy, loss)


def study_with(spec: SweepSpec, score: "dict[str, SeedScore] | None" = None, best: float = 0.05) -> Study:
    """Every point of every cell told, the accuracy highest at a learning rate."""
    study = Study(spec)
    for trial in study.point_trials():
        distance = abs(math.log10(trial.recipe.learning_rate / best))
        study.scores[trial.trial_id] = trained(round(0.95 - 0.1 * distance, 6))
    study.scores |= score or {}
    return study


class TestPoints:
    def test_one_point_in_every_stratum_of_every_range(self) -> None:
        decay = SearchRange(low=0.0, high=1e-3, scale="linear")
        for count in (4, 8, 16, 32):
            points = first_points(tune(count, learning_rate=RATE, weight_decay=decay))
            for i, reach in enumerate((RATE, decay)):
                strata = [int(fraction(p[i][1], reach) * count - 1e-6) for p in points]
                assert sorted(strata) == list(range(count))

    def test_more_points_begin_with_the_same_ones(self) -> None:
        assert first_points(tune(16))[:6] == first_points(tune(6))

    def test_a_salt_is_a_scrambling(self) -> None:
        space = {"learning_rate": RATE}
        assert sobol_points(space, 8, "a") == sobol_points(space, 8, "a") != sobol_points(space, 8, "b")

    def test_they_are_the_same_in_every_cell_and_known_from_the_file(self) -> None:
        spec = sweep()
        of_cell: dict[str, list[float]] = {}
        for trial in spec.trials():
            if trial.phase == "tune":
                of_cell.setdefault(trial.study, []).append(trial.recipe.learning_rate)
        assert len(of_cell) == 4
        assert len({tuple(rates) for rates in of_cell.values()}) == 1
        assert list(default_finals(spec)) == [t for t in spec.trials() if t.phase == "final"]

    def test_place_and_fraction_are_inverse(self) -> None:
        for unit in np.linspace(0, 1, 11):
            assert fraction(place(unit, RATE), RATE) == pytest.approx(unit, abs=1e-5)

    def test_a_study_is_named_by_what_its_points_share(self) -> None:
        cell = sweep().cells[0]
        base = study_key(cell, tune())
        assert base == study_key(cell, tune(16)), "more trials go on with the same study"
        assert base == study_key(sweep("recipe.learning_rate=0.3").cells[0], tune()), "the default is no point of it"
        assert base != study_key(sweep("recipe.momentum=0.5").cells[0], tune())
        assert base != study_key(cell, tune(8, learning_rate=SearchRange(low=1e-3, high=2.0, scale="log")))
        assert base != study_key(sweep().cells[1], tune())


class TestChoice:
    def test_highest_accuracy_then_lower_loss_then_order(self) -> None:
        assert best_point([point(0, 0.1, trained(0.5)), point(1, 0.2, trained(0.7))]) == 1
        assert best_point([point(0, 0.1, trained(0.7, 2.0)), point(1, 0.2, trained(0.7, 1.0))]) == 1
        assert best_point([point(0, 0.1, trained(0.7)), point(1, 0.2, trained(0.7))]) == 0

    def test_the_mean_over_seeds_counts(self) -> None:
        steady = point(0, 0.1, trained(0.7), trained(0.7))
        lucky = point(1, 0.2, trained(0.9), trained(0.4))
        assert best_point([lucky, steady]) == 1

    def test_validation_accuracy_alone_decides_whatever_a_trial_says_of_itself(self) -> None:
        assert best_point([point(0, 0.1, SeedScore("untrained", 0.3, 1.0)), point(1, 0.2, trained(0.2))]) == 0

    @pytest.mark.parametrize(
        "bad", [SeedScore("diverged"), SeedScore("failed"), SeedScore("diverged", math.nan, math.nan)]
    )
    def test_diverged_and_failed_are_never_chosen_beside_others(self, bad: SeedScore) -> None:
        assert best_point([point(0, 0.1, bad), point(1, 0.2, SeedScore("untrained", 0.1, 3.0))]) == 1

    def test_nothing_to_choose_by(self) -> None:
        assert best_point([point(0, 0.1, SeedScore("failed"))]) is None
        assert best_point([point(0, 0.1, SeedScore("failed")), point(1, 0.2, SeedScore("diverged"))]) == 1


class TestEdges:
    def test_the_outermost_stratum_is_the_edge(self) -> None:
        asked = tune(8)
        for unit, edge in ((0.01, LOW), (0.124, LOW), (0.126, frozenset()), (0.874, frozenset()), (0.876, HIGH)):
            assert edges_of(asked, (), [point(0, 10 ** (-3 + 3 * unit), trained(0.9))]) == edge, unit

    def test_a_cell_where_nothing_trains_has_none(self) -> None:
        assert edges_of(tune(8), (), [point(0, 1e-3, SeedScore("untrained", 0.1, 2.0))]) == frozenset()

    def test_an_extension_is_half_the_range_with_strata_as_wide_as_before(self) -> None:
        asked = tune(8)
        space = extended(asked, (HIGH,))["learning_rate"]
        assert (space.low, space.high) == (1e-3, pytest.approx(10**1.5))
        settings = settings_of(asked, (HIGH,))
        assert settings[:8] == tuple(enumerate(first_points(asked)))
        new = [dict(s)["learning_rate"] for _, s in settings[8:]]
        assert len(new) == 4
        assert all(1.0 <= rate <= 10**1.5 for rate in new)
        assert sorted(int(fraction(r, space) * 12) for r in new) == [8, 9, 10, 11]
        assert edges_of(asked, (HIGH,), [point(0, 20.0, trained(0.9))]) == HIGH
        assert edges_of(asked, (HIGH,), [point(0, 0.9, trained(0.9))]) == frozenset()

    def test_a_points_number_and_place_depend_on_its_own_side_alone(self) -> None:
        decay = SearchRange(low=1e-5, high=1e-3, scale="log")
        asked = tune(8, extensions=2, learning_rate=RATE, weight_decay=decay)
        every = list(product(("learning_rate", "weight_decay"), ("low", "high")))
        together = dict(settings_of(asked, (frozenset(every),)))  # type: ignore[arg-type]
        for side in every:
            alone = dict(settings_of(asked, (frozenset({side}),)))  # type: ignore[arg-type]
            assert alone.items() <= together.items()
        assert len(together) == 8 + 4 * 4

    def test_a_bound_of_the_recipe_is_no_edge_and_is_never_crossed(self) -> None:
        momentum = SearchRange(low=0.0, high=0.95, scale="linear")
        asked = tune(8, extensions=2, momentum=momentum)
        at_zero = Point(0, (("momentum", 0.01),), (), (trained(0.9),))
        assert edges_of(asked, (), [at_zero]) == frozenset()
        high = frozenset({("momentum", "high")})
        once, twice = extended(asked, (high,))["momentum"].high, extended(asked, (high, high))["momentum"].high
        assert 0.95 < once < twice < 1.0


class TestStudy:
    def test_complete_without_edges(self) -> None:
        decision = study_with(sweep()).decide()
        assert decision.complete
        assert decision.rounds == ()
        assert [len(c.points) for c in decision.choices] == [8] * 4
        tuned = finals(sweep(), decision)
        assert len(tuned) == 4 * 2
        assert {(t.phase, t.setting, t.seed) for t in tuned} == {("final", "tuned", 0), ("final", "tuned", 1)}
        rate = min((t for _, ((_, t),) in settings_of(tune(), ())), key=lambda r: abs(math.log(r / 0.05)))
        assert {t.recipe.learning_rate for t in tuned} == {rate}

    def test_one_cell_on_an_edge_extends_the_range_of_all(self) -> None:
        spec = sweep()
        study = study_with(spec)
        edge = max(study.points(0, ()), key=lambda p: dict(p.setting)["learning_rate"])
        study.scores[edge.trials[0].trial_id] = trained(0.99)
        decision = study.decide()
        assert (decision.complete, decision.rounds, decision.choices) == (False, (HIGH,), ())
        assert len(study.point_trials()) == 4 * 12
        assert study.to_come() == 4 * 2
        for trial in study.point_trials():
            study.scores.setdefault(trial.trial_id, trained(0.5))
        decision = study.decide()
        assert decision.complete
        assert {len(c.points) for c in decision.choices} == {12}
        assert [c.edges for c in decision.choices] == [frozenset()] * 4, "the range goes on beyond the point now"

    def test_a_cell_that_is_still_on_the_edge_is_marked(self) -> None:
        study = study_with(sweep("tune.extensions=0"), best=50.0)
        assert all(c.edges == HIGH for c in study.decide().choices)
        table = fairness_table(study, finals_table(study))
        assert set(table["breach"]) == {"the choice lies on the edge of learning_rate high"}

    def test_nothing_is_decided_before_every_cell_is_told(self) -> None:
        study = study_with(sweep())
        study.scores.popitem()
        decision = study.decide()
        assert (decision.complete, decision.choices) == (False, ())
        assert finals(study.sweep, decision) == ()

    def test_the_order_of_results_is_nothing(self) -> None:
        forward = study_with(sweep(), best=0.5)
        backward = Study(sweep())
        backward.scores = dict(reversed(forward.scores.items()))
        assert forward.decide() == backward.decide()


def finals_table(study: Study) -> pd.DataFrame:
    known = study.trials()
    return pd.DataFrame(
        {
            "trial_id": [t.trial_id for t in known],
            "architecture": [t.model.architecture for t in known],
            "depth": [t.model.depth for t in known],
            "phase": [t.phase for t in known],
            "setting": [t.setting for t in known],
            "outcome": "trained",
            "recorded": "trained",
            "test.accuracy": [{"default": 0.8, "tuned": 0.9, "point": 0.1}[t.setting] for t in known],
        }
    )


class TestFairness:
    def test_clean(self) -> None:
        study = study_with(sweep())
        table = fairness_table(study, finals_table(study))
        assert list(table["depth"]) == [8, 20, 8, 20]
        assert set(table["breach"]) == {""}
        assert set(table["tuning_trials"]) == {8}
        assert set(table["selected_on"]) == {"validation, 10% of the training set"}
        assert np.allclose(table["default.test_accuracy"], 0.8)
        assert np.allclose(table["tuned.test_accuracy"], 0.9)
        assert not table["untrainable"].any()

    def test_diverged_share_and_largest_stable_rate(self) -> None:
        study = study_with(sweep())
        ranked = sorted(study.points(0, ()), key=lambda p: dict(p.setting)["learning_rate"])
        for p in ranked[6:]:
            study.scores[p.trials[0].trial_id] = SeedScore("diverged")
        row, other = fairness_table(study, finals_table(study)).to_dict("records")[:2]
        assert row["tuning.diverged_share"] == 2 / 8
        assert row[STABLE_RATE] == pytest.approx(math.log10(dict(ranked[5].setting)["learning_rate"]))
        assert (row[f"{STABLE_RATE}.censored"], other[f"{STABLE_RATE}.censored"]) == (0, 1)

    def test_untrainable_is_a_result(self) -> None:
        study = study_with(sweep())
        for p in study.points(3, ()):
            study.scores[p.trials[0].trial_id] = SeedScore("untrained", 0.1, 2.3)
        finals = finals_table(study).assign(outcome="untrained", recorded="untrained")
        table = fairness_table(study, finals)
        assert list(table["untrainable"]) == [False, False, False, True]
        assert set(table["breach"]) == {""}
        assert table[f"{STABLE_RATE}.censored"].iloc[3] == -1

    @pytest.mark.parametrize("setting", ["default", "tuned"])
    @pytest.mark.parametrize("column", ["outcome", "recorded"])
    def test_a_cell_with_a_final_that_trains_is_not_untrainable(self, setting: str, column: str) -> None:
        study = study_with(sweep())
        for p in study.points(3, ()):
            study.scores[p.trials[0].trial_id] = SeedScore("untrained", 0.1, 2.3)
        finals = finals_table(study).assign(outcome="untrained", recorded="untrained")
        last = finals.index[finals["setting"] == setting][-1]
        finals.loc[last, column] = "trained"
        assert not fairness_table(study, finals)["untrainable"].any()

    def test_failed_trials_are_a_breach_of_their_cell(self) -> None:
        study = study_with(sweep())
        study.scores[study.points(1, ())[0].trials[0].trial_id] = SeedScore("failed")
        table = fairness_table(study, finals_table(study))
        assert list(table["breach"]) == ["", "1 of 8 tuning trials failed", "", ""]
