"""Two sweeps side by side: what is called different is, and what is the same is not."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skipray.analysis.comparison import apart, compare, nothing_shared, settings, shared_series, trends, widest
from skipray.report.comparison_figure import comparison_chart
from skipray.report.paper import save_as
from skipray.spec import Group, SweepSpec, Trained, load_sweep
from skipray.spec.claims import Claims
from skipray.spec.fields import Fits
from skipray.trends import fit_depth_trend, trainability_limit

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sweep() -> SweepSpec:
    return load_sweep(ROOT / "sweeps" / "quickstart.yaml")


def series(shift: float, *, metric: str = "train.accuracy", depths: tuple[int, ...] = (8, 20, 38, 56)) -> Any:
    rng = np.random.default_rng(1)
    depth = np.repeat(depths, 3)
    seed = np.tile((0, 1, 2), len(depths))
    value = 0.9 - 0.004 * depth + shift + rng.normal(0, 0.01, len(depth))
    trend = fit_depth_trend(depth, value, seed=seed)
    return SimpleNamespace(
        metric=metric,
        group=Group("resnet"),
        depth=tuple(depth),
        value=tuple(value),
        seed=tuple(seed),
        trend=trend,
        censored=(0,) * len(depth),
    )


def series_of(group: Group) -> Any:
    made = series(0.0)
    made.group = group
    return made


def result(sweep: SweepSpec, shift: float, last: int) -> Any:
    """As much of an Aggregate as a comparison reads; trials train up to a depth."""
    depth = np.repeat((8, 20, 38, 56, 74), 3)
    limit = trainability_limit(depth, depth <= last)
    claim = SimpleNamespace(
        id="C1a", verdict="supported" if last < 50 else "refuted", low=shift, high=shift + 0.1, effect=shift
    )
    untested = SimpleNamespace(id="C2", verdict="not tested", low=None, high=None)
    return SimpleNamespace(
        sweep=sweep,
        series=(series(shift),),
        limits=((Group("resnet"), limit),),
        claims=(claim, untested),
        trials=pd.DataFrame(),
    )


def test_a_sweep_does_not_differ_from_itself(sweep: SweepSpec) -> None:
    one = result(sweep, 0.0, 38)
    found = compare(one, one)
    assert [d.kind for d in found] == ["trend", "limit", "verdict"]
    assert not any(d.differs for d in found)
    assert all(d.a == d.b for d in found)


def test_what_differs_beyond_its_interval_is_told(sweep: SweepSpec) -> None:
    found = compare(result(sweep, 0.0, 8), result(sweep, 0.3, 56))
    assert {(d.kind, d.differs) for d in found} == {("trend", True), ("limit", True), ("verdict", True)}
    (trend,) = [d for d in found if d.kind == "trend"]
    assert trend.note.startswith("at depth ")


def test_what_differs_within_it_is_not(sweep: SweepSpec) -> None:
    found = compare(result(sweep, 0.0, 38), result(sweep, 0.003, 38))
    assert not any(d.differs for d in found)


def test_settings_that_differ_are_named(sweep: SweepSpec) -> None:
    assert settings(sweep, sweep) == []
    recipe = sweep.cells[0].recipe.model_copy(update={"learning_rate": 0.5})
    other = replace(sweep, cells=tuple(replace(c, recipe=recipe) for c in sweep.cells), seeds=(0, 1))
    found = {d.what: (d.a, d.b) for d in settings(sweep, other)}
    assert set(found) == {"recipe.learning_rate", "seed"}
    assert found["recipe.learning_rate"][1] == "0.5"
    assert found["seed"] == ("0, 1, 2", "0, 1")


def test_how_results_are_judged_is_a_setting(sweep: SweepSpec) -> None:
    """The same trials have other limits, and other verdicts, by another definition."""
    other = replace(sweep, trained=Trained(fits=Fits(at_least=0.9)), claims=Claims(plain="plainnet", skip="resnext"))
    found = {d.what: (d.a, d.b) for d in settings(sweep, other)}
    assert found["trained.fits.at_least"] == ("none", "0.9")
    assert all(what.startswith(("trained.fits.", "claims.")) for what in found)
    assert any("resnext" in b for what, (_, b) in found.items() if what.startswith("claims."))


def test_series_without_a_stretch_in_common_are_not_compared(sweep: SweepSpec) -> None:
    assert widest(series(0.0, depths=(8, 14, 20)), series(0.0, depths=(38, 56, 74))) is None
    one, two = result(sweep, 0.0, 38), result(sweep, 0.0, 38)
    two.series = (series(0.0, metric="test.accuracy"),)
    assert trends(one, two) == []
    assert nothing_shared(one, two).startswith("no metric has a depth series in both")


def test_a_factor_of_one_is_a_fixed_setting_of_the_other(sweep: SweepSpec) -> None:
    """resnet with batch norm is compared with the resnet of a sweep that crosses normalizations, and not with its
    resnet that has none; where nothing is alike the sentence says what each has."""
    controls = load_sweep(ROOT / "sweeps" / "controls.yaml")
    one, two = result(sweep, 0.0, 38), result(controls, 0.0, 38)
    alike = {g.label: g for g in controls.groups}
    two.series = tuple(series_of(g) for g in controls.groups if g.architecture == "resnet")
    two.limits = tuple((s.group, one.limits[0][1]) for s in two.series)
    (pair,) = shared_series(one, two)
    assert pair[1].group == alike["resnet normalization=batch residual_scale=1"]
    assert [d.kind for d in compare(one, two) if d.kind in ("trend", "limit")] == ["trend", "limit"]
    assert nothing_shared(one, two) == ""
    none = [g for g in controls.groups if "normalization=none" in g.label]
    kept = tuple(c for c in controls.cells if c.cell.group in none)
    two.sweep, two.series = replace(controls, cells=kept), tuple(map(series_of, none))
    assert shared_series(one, two) == []
    said = nothing_shared(one, two)
    assert said.startswith("no group is in both: A has plainnet, resnet, resnext; B has plainnet normalization=none, ")


def test_intervals_that_touch_are_not_apart() -> None:
    assert not apart((1.0, 2.0), (2.0, 3.0))
    assert apart((2.1, 3.0), (1.0, 2.0))
    assert not apart((-np.inf, np.inf), (0.0, 1.0))


@pytest.mark.parametrize("ending", ["svg", "pdf", "png"])
def test_the_figure_is_drawn(sweep: SweepSpec, tmp_path: Path, ending: str) -> None:
    one, two = result(sweep, 0.0, 38), result(sweep, 0.1, 56)
    chart = comparison_chart(one, two, ("a", "b"))
    assert chart is not None
    assert [key.text for key in chart.legend][:2] == [f"{one.series[0].group.label}, {name}" for name in ("a", "b")]
    assert {key.style.dash for key in chart.legend} == {"solid", "dashed"}
    assert len(chart.data) == sum(len(s.depth) for r in (one, two) for s in r.series)
    path = tmp_path / f"both.{ending}"
    save_as(chart, path)
    assert path.read_bytes()[:4] == {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG"}[ending]
    one.series = ()
    assert comparison_chart(one, two, ("a", "b")) is None
