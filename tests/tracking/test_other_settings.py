"""A setting that was changed after trials finished is named before they run again."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from skipray import tracking
from skipray.spec import Adaptive, SearchRange, SweepSpec, TrialSpec, Tune


def finish(toys: SimpleNamespace, sweep: SweepSpec, uri: str, trials: tuple[TrialSpec, ...]) -> None:
    address = tracking.prepare(sweep, uri)
    for trial in trials:
        toys.record_one(sweep, trial, uri)
    tracking.write_manifest(address, sweep, sweep.trials(), {})


def with_decay(sweep: SweepSpec, decay: float) -> SweepSpec:
    cells = tuple(replace(c, recipe=c.recipe.model_copy(update={"weight_decay": decay})) for c in sweep.cells)
    return replace(sweep, cells=cells)


def test_a_changed_setting_is_named_until_its_trials_have_run(sqlite: str, toys: SimpleNamespace) -> None:
    old = toys.sweep()
    finish(toys, old, sqlite, old.trials())
    assert tracking.other_settings(old, sqlite, old.trials()) == []
    before = old.cells[0].recipe.weight_decay
    now = with_decay(old, 0.25)
    (said,) = tracking.other_settings(now, sqlite, now.trials())
    assert said.startswith(
        f"{len(old.trials())} finished with other settings (recipe.weight_decay {before:g}, now 0.25)"
    )
    finish(toys, now, sqlite, now.trials()[1:])
    (said,) = tracking.other_settings(now, sqlite, now.trials())
    assert said.startswith("1 finished with other settings")
    finish(toys, now, sqlite, now.trials()[:1])
    assert tracking.other_settings(now, sqlite, now.trials()) == []


def test_what_a_narrowed_search_for_depths_leaves_out_is_named(sqlite: str, toys: SimpleNamespace) -> None:
    old = replace(toys.sweep(depths=(8, 14, 20)), adaptive=Adaptive(low=8, high=20, width=1.5, max_trials=9))
    finish(toys, old, sqlite, old.trials()[:6:2])
    assert tracking.other_settings(old, sqlite, old.trials()) == []
    cells = tuple(c for c in old.cells if c.model.depth > 8)
    now = replace(old, cells=cells, adaptive=Adaptive(low=14, high=20, width=1.5, max_trials=12))
    left = [t for t in old.trials()[:6:2] if t.model.depth == 8]
    (said,) = tracking.other_settings(now, sqlite, now.trials())
    several = "s" if len(left) > 1 else ""
    assert said.startswith(f"{len(left)} finished trial{several} of plainnet at depth 8 (adaptive.low 8, now 14): they")
    (said,) = tracking.other_settings(with_decay(old, 0.25), sqlite, ())
    assert "recipe.weight_decay" in said


def test_points_and_finals_of_another_study_are_named(sqlite: str, toys: SimpleNamespace) -> None:
    reach = SearchRange(low=1e-3, high=0.3, scale="log")
    tune = Tune(space={"learning_rate": reach}, trials=4, seeds=(100,), extensions=0)
    old = replace(toys.sweep(depths=(8,)), tune=tune)
    finish(toys, old, sqlite, old.trials())
    assert tracking.other_settings(old, sqlite, old.trials()) == []
    narrow = {"learning_rate": reach.model_copy(update={"high": 0.2})}
    now = replace(old, tune=tune.model_copy(update={"space": narrow}))
    points = sum(t.phase == "tune" for t in old.trials())
    (said,) = tracking.other_settings(now, sqlite, now.trials())
    changed = "tune.space.learning_rate.high 0.3, now 0.2"
    assert said.startswith(f"{points} finished points of another study ({changed}): they stay in the store")
    fewer = replace(old, tune=tune.model_copy(update={"trials": 2}))
    (said,) = tracking.other_settings(fewer, sqlite, fewer.trials())
    assert said.startswith(f"{points // 2} finished points of this study (tune.trials 4, now 2): they stay")


def test_seeds_and_cells_that_were_taken_out_are_no_other_settings(sqlite: str, toys: SimpleNamespace) -> None:
    old = toys.sweep()
    finish(toys, old, sqlite, old.trials())
    fewer = replace(old, cells=old.cells[1:])
    assert tracking.other_settings(fewer, sqlite, fewer.trials()) == []
    more = replace(old, seeds=(*old.seeds, max(old.seeds) + 1))
    assert tracking.other_settings(more, sqlite, more.trials()) == []


def test_settings_are_told_where_one_became_a_factor_or_is_none_any_more(sqlite: str, toys: SimpleNamespace) -> None:
    old = toys.sweep()
    finish(toys, old, sqlite, old.trials())
    before = old.cells[0].recipe.weight_decay

    def crossed(*decays: float) -> SweepSpec:
        cells = tuple(
            replace(
                c, recipe=c.recipe.model_copy(update={"weight_decay": d}), factors=(*c.factors, "weight_decay")
            )
            for c in old.cells
            for d in decays
        )  # fmt: skip
        return replace(old, cells=cells, factors={**old.factors, "weight_decay": decays})

    now = crossed(0.25, 0.5)
    (said,) = tracking.other_settings(now, sqlite, now.trials())
    assert said.startswith(
        f"{len(old.trials())} finished with other settings (recipe.weight_decay {before:g}, now 0.25 or 0.5)"
    )
    finish(toys, now, sqlite, now.trials())
    assert tracking.other_settings(now, sqlite, now.trials()) == []
    # The factor's other values are cells that were taken out; of what is near alone is told how it differs.
    wider = replace(
        old, cells=tuple(replace(c, model=c.model.model_copy(update={"width": 99})) for c in old.cells)
    )  # fmt: skip
    (said,) = tracking.other_settings(wider, sqlite, wider.trials())
    assert said.startswith(f"{len(old.trials())} finished with other settings (model.width ")
    assert "weight_decay" not in said


@pytest.mark.parametrize(
    "store", ["sqlite", "server"]
)  # fmt: skip
def test_a_renamed_sweep_is_told_where_its_trials_are_finished(
    store: str, toys: SimpleNamespace, request: pytest.FixtureRequest
) -> None:
    uri: str = request.getfixturevalue("sqlite") if store == "sqlite" else request.getfixturevalue("proxy").uri
    old = under(toys.sweep(learning_rate=0.375), "before")
    finish(toys, old, uri, old.trials()[:5])
    assert tracking.finished_elsewhere(old, uri) == []
    renamed = under(old, "after")
    assert tracking.finished_elsewhere(renamed, uri) == [
        "5 of its 8 trials are finished as those of the sweep before; a sweep goes on by its name, and after runs them "
        "again"
    ]
    assert tracking.finished_elsewhere(with_decay(renamed, 0.25), uri) == []


def under(sweep: SweepSpec, name: str) -> SweepSpec:
    return replace(sweep, name=name, cells=tuple(replace(c, sweep=name) for c in sweep.cells))
