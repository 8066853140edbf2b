"""A setting that was changed after trials finished is named before they run again."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from skipray import tracking
from skipray.spec import SweepSpec, TrialSpec


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
