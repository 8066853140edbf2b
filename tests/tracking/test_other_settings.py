"""A setting that was changed after trials finished is named before they run again."""

from dataclasses import replace
from types import SimpleNamespace

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
