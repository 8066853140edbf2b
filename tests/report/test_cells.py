"""A family is one family in everything that a user sees, and two of one name are two."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from skipray.planning.plan import make_plan
from skipray.results.judged import aggregate_result
from skipray.results.planned import plan_result
from skipray.spec import Group, SweepSpec, load_sweep
from skipray.terminal.display import show_aggregate, show_plan, show_states

SWEEP = """\
name: cells
question: Where does it end?
dataset: {name: digits}
model: {kind: mlp, width: 16, normalization: batch, initialisation: he_normal, activation: relu, residual_scale: 1}
recipe: {epochs: 1, batch_size: 128, learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4, schedule: constant,
  augmentation: none}
seeds: [0, 1, 2]
"""
INCLUDES = (
    SWEEP
    + """\
factors: {architecture: [plainnet, resnet], depth: [8, 14], group_width: [4]}
include:
- {architecture: plainnet, depth: 32}
- {architecture: resnet, depth: 32}
"""
)
"""The shape of sweeps/paper-imagenet.yaml: a factor that a family lacks, and rows that do not name it."""
NAMESAKES = (
    SWEEP
    + """\
factors: {architecture: ["nets:vit", "nets2:vit"], depth: [8, 32]}
"""
)
MODULE = """\
from skipray.architectures import Sizes


class vit:
    @staticmethod
    def sizes(model, input_shape, classes):
        return Sizes({parameters}, 1, 1)

    @staticmethod
    def build(model, input_shape, classes):
        raise NotImplementedError
"""


def loaded(text: str, folder: Path) -> SweepSpec:
    path = folder / "cells.yaml"
    path.write_text(text)
    return load_sweep(path)


@pytest.fixture
def namesakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SweepSpec]:
    for name, parameters in (("nets", 1000), ("nets2", 20)):
        (tmp_path / f"{name}.py").write_text(MODULE.format(parameters=parameters))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield loaded(NAMESAKES, tmp_path)
    for name in ("nets", "nets2"):
        sys.modules.pop(name, None)


def test_a_factor_that_a_family_lacks_does_not_split_it(
    record: Callable, reported: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = loaded(INCLUDES, tmp_path)
    assert sweep.groups == (Group("plainnet"), Group("resnet"))
    assert {t.label for t in sweep.trials() if t.seed == 0 and t.model.depth == 14} == {
        "plainnet-d014-s00",
        "resnet-d014-s00",
    }
    show_plan(make_plan(sweep))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[3:9]]
    assert [row[0] for row in rows] == ["plainnet", "14", "32", "resnet", "14", "32"]
    assert {row[-1] for row in rows} == {"0/3"}
    record(sweep, sweep.trials())
    made, words = reported(sweep, tmp_path)
    limits = dict(made.limits)
    assert set(limits) == {Group("plainnet"), Group("resnet")}
    assert (limits[Group("plainnet")].censored, limits[Group("resnet")].censored) == ("none", "above")
    assert {s.depth for s in made.series} == {(8, 8, 8, 14, 14, 14, 32, 32, 32)}
    assert "for PlainNet; at 32, the deepest tried, 3 of 3 seeds of ResNet still fit." in words


def test_two_families_of_one_name_are_two(
    namesakes: SweepSpec,
    record: Callable,
    reported: Callable,
    drawings: Callable[[str], dict],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sweep, names = namesakes, ["nets:vit", "nets2:vit"]
    assert [g.label for g in sweep.groups] == names
    assert {t.label.partition("-")[0] for t in sweep.trials()} == set(names)
    plan = make_plan(sweep)
    show_plan(plan)
    out = capsys.readouterr().out.splitlines()
    rows = [line.split()[:4] for line in out if "vit" in line]
    assert rows == [["nets:vit", "8", "1", "k"], ["nets2:vit", "8", "20", "1"]]
    assert {t["architecture"] for t in plan_result(plan)["trials"]} == set(names)
    show_states(sweep, {}, {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if "vit" in line] == names

    record(sweep, sweep.trials(), trained="nets2:vit")
    made, words = reported(sweep, tmp_path)
    show_aggregate(made)
    out = capsys.readouterr().out
    assert all(f"  {name}: " in out for name in names)
    assert [row["architecture"] for row in aggregate_result(made)["limits"]] == names
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    traces = drawings(page)["accuracy-by-depth-0"]["usermeta"]["traces"]
    assert {name for name, *_ in traces} - {"chance 0.1"} == set(names)
    assert "for nets:vit; at 32, the deepest tried, 3 of 3 seeds of nets2:vit still fit" in words


def test_a_family_of_its_own_name_goes_by_the_short_one(namesakes: SweepSpec, tmp_path: Path) -> None:
    text = NAMESAKES.replace('"nets2:vit"', "resnet")
    sweep = loaded(text, tmp_path)
    assert [g.label for g in sweep.groups] == ["vit", "resnet"]
    assert sweep.cells[0].label == "vit-d008-s00"


def test_a_familys_name_is_no_picture(namesakes: SweepSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """rich makes an emoji of `:tv:`."""
    (tmp_path / "nets.py").write_text(MODULE.format(parameters=1).replace("class vit", "class tv"))
    (tmp_path / "nets2.py").write_text(MODULE.format(parameters=1).replace("class vit", "class tv"))
    for name in ("nets", "nets2"):
        del sys.modules[name]
    sweep = loaded(NAMESAKES.replace(":vit", ":tv"), tmp_path)
    show_states(sweep, {}, {sweep.cells[0].trial_id: "no memory:fire:"})
    out = capsys.readouterr().out
    assert "failed nets:tv-d008-s00: no memory:fire:" in out
    assert "nets2:tv " in out


def test_a_narrow_terminal_cuts_no_value_that_tells_groups_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skipray.terminal.display.console", lambda: Console(width=80, highlight=False))
    text = SWEEP.replace(", normalization: batch", "") + (
        "factors: {architecture: [plainnet], depth: [8], normalization: [batch, layer, none]}\n"
    )
    show_plan(make_plan(loaded(text, tmp_path)))
    words = capsys.readouterr().out.split()
    assert {"normalization=batch", "normalization=layer", "normalization=none"} <= set(words)
