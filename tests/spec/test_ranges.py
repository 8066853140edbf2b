"""Values of a factor that are spread over a range: the same trials as with the list, and clear refusals."""

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from skipray.spec import SpecError, SweepSpec, load_sweep
from skipray.spec.finding import sweep_path
from skipray.spec.reference import json_schema

GOOD = sweep_path("quickstart").read_text()
RATE = re.sub(r"^  learning_rate: .*\n", "", GOOD, flags=re.MULTILINE)


def load(folder: Path, text: str, *overrides: str) -> SweepSpec:
    path = folder / "small.yaml"
    path.write_text(text)
    return load_sweep(path, overrides)


def refused(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(SpecError) as caught:
        load(folder, text, *overrides)
    return str(caught.value)


def test_a_range_is_the_list_of_its_values(tmp_path: Path) -> None:
    plain = "factors.architecture=[plainnet, resnet]"
    depths = "factors.depth=[8, 16, 24, 32]"
    listed = load(tmp_path, RATE, plain, "factors.learning_rate=[0.001, 0.01, 0.1, 1.0]", depths)
    spread = load(
        tmp_path,
        RATE,
        plain,
        "factors.learning_rate={low: 0.001, high: 1, count: 4, scale: log}",
        "factors.depth={low: 8, high: 32, count: 4, scale: linear}",
    )
    assert spread.factors["depth"] == (8, 16, 24, 32)
    assert [t.trial_id for t in spread.trials()] == [t.trial_id for t in listed.trials()]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{low: 0, high: 1, count: 4, scale: log}", "learning_rate.low: found 0; allowed: above 0 where scale is log"),
        ("{low: 1, high: 1, count: 4, scale: log}", "learning_rate.high: found 1; allowed: above low, 1"),
        ("{low: 1, high: .nan, count: 4, scale: log}", "learning_rate.high: found nan; allowed: a finite number"),
        ("{low: 0.1, high: 1, count: 1, scale: log}", "learning_rate.count: found 1; allowed: an integer at least 2"),
        ("{low: 0.1, high: 1, count: 2, scale: cubic}", "allowed: log, linear"),
        ("{lo: 0.1, high: 1, count: 2, scale: log}", "found an unknown key (did you mean low?)"),
        ("{low: 0.1, high: 1, count: 2}", "learning_rate.scale: found nothing; allowed:"),
    ],
)
def test_what_is_no_range_is_refused(tmp_path: Path, written: str, said: str) -> None:
    assert said in refused(tmp_path, RATE, f"factors.learning_rate={written}")


def test_values_that_the_field_cannot_have_are_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, GOOD, "factors.depth={low: 8, high: 12, count: 4, scale: linear}")
    assert "factors.depth.1: found 9.33333; allowed: an integer" in said
    assert "factors.depth.0" not in said


def test_editors_know_ranges() -> None:
    validator = Draft202012Validator(json_schema())
    for depth, right in (
        ("[8, 20]", True),
        ("{low: 8, high: 20, count: 2, scale: linear}", True),
        ("{low: 8, high: 20}", False),
        ("8", False),
    ):
        text, count = re.subn(r"^  depth: .*", f"  depth: {depth}", GOOD, flags=re.MULTILINE)
        assert count == 1
        assert validator.is_valid(YAML(typ="safe", pure=True).load(text)) is right, depth
