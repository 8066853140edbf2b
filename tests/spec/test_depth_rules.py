"""Fields that follow the depth."""

import pytest

from skipray.spec import SpecError, load_sweep
from skipray.spec.reference import json_schema

SWEEP = """\
name: small
question: How deep?
dataset: {name: digits}
model: {kind: mlp, width: 8, normalization: batch, initialisation: he_normal, activation: relu}
recipe:
  epochs: 2
  batch_size: 128
  weight_decay: 1e-4
  schedule: constant
  augmentation: none
  momentum: 0.9
  LINE
factors:
  architecture: [plainnet]
  depth: [8, 20, 80]
seeds: [0]
"""


def load(folder, line, *overrides):
    path = folder / "small.yaml"
    path.write_text(SWEEP.replace("LINE", line))
    return load_sweep(path, overrides).trials()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("constant", [0.1, 0.1, 0.1]),
        ("inverse_sqrt_depth", [0.1 * 2.5**0.5, 0.1, 0.05]),
        ("inverse_depth", [0.25, 0.1, 0.025]),
        ("sqrt_depth", [0.1 / 2.5**0.5, 0.1, 0.2]),
        ("depth", [0.04, 0.1, 0.4]),
    ],
)
def test_a_rule_is_worked_out_at_each_depth(tmp_path, rule, expected):
    trials = load(tmp_path, f"learning_rate: {{value: 0.1, rule: {rule}, reference: 20}}")
    assert [t.recipe.learning_rate for t in trials] == pytest.approx(expected)


def test_rules_are_factors_and_differ_where_their_numbers_agree(tmp_path):
    rules = "[{value: 0.1, rule: constant, reference: 20}, {value: 0.1, rule: inverse_depth, reference: 20}, 0.1]"
    trials = load(tmp_path, "nesterov: false", f"factors.learning_rate={rules}")
    at_reference = [t for t in trials if t.model.depth == 20]
    assert [t.recipe.learning_rate for t in at_reference] == [0.1, 0.1, 0.1]
    assert len({t.trial_id for t in trials}) == 9
    assert at_reference[1].label == "plainnet-d020-s00-learning_rate=0.1*inverse_depth(reference=20)"


def test_a_number_of_the_model_follows_too_and_whole_ones_are_rounded(tmp_path):
    line = "learning_rate: 0.1"
    trials = load(tmp_path, line, "model.width={value: 16, rule: inverse_sqrt_depth, reference: 20}")
    assert [t.model.width for t in trials] == [25, 16, 8]


def test_a_rule_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "my_rules.py").write_text("def square(depth, reference):\n    return (reference / depth) ** 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    trials = load(tmp_path, "learning_rate: {value: 0.1, rule: 'my_rules:square', reference: 20}")
    assert [t.recipe.learning_rate for t in trials] == pytest.approx([0.625, 0.1, 0.1 / 16])
    assert "my_rules:square" in dict(trials[0].source_hashes)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "learning_rate: {value: 0.1, rule: cubic, reference: 20}",
            "found the rule 'cubic'; allowed: constant",
        ),
        ("learning_rate: {value: 0.1, rule: depth}", "found the keys value, rule; allowed: value, rule and reference"),
        ("learning_rate: {value: x, rule: depth, reference: 20}", "found value 'x'; allowed: a number"),
        ("learning_rate: {value: 1, rule: depth, reference: 0}", "found reference 0; allowed: a depth"),
        ("learning_rate: {value: -1, rule: depth, reference: 20}", "allowed: a number above 0"),
        ("rules: {learning_rate: {value: 1, rule: depth, reference: 20}}", "recipe.rules: found an unknown key"),
    ],
)
def test_what_is_no_rule_is_refused(tmp_path, line, said):
    with pytest.raises(SpecError) as caught:
        load(tmp_path, line)
    assert said in str(caught.value)
    assert "small.yaml:" in str(caught.value)


@pytest.mark.parametrize("name", ["rules", "model.rules", "recipe.rules"])
def test_rules_are_no_factor_of_their_own_and_not_said_to_be_one(tmp_path, name):
    with pytest.raises(SpecError) as caught:
        load(tmp_path, "nesterov: false", f"factors.{name}=[{{a: 1}}]")
    said = str(caught.value)
    assert f"factors.{name}: found an unknown factor" in said
    assert "rules" not in said.partition("allowed: ")[2]
    with pytest.raises(SpecError) as caught:
        load(tmp_path, "nesterov: false", f"include=[{{{name}: {{a: 1}}}}]")
    assert f"include.0.{name}: found an unknown factor" in str(caught.value)
    schema = json_schema()
    assert "rules" not in schema["$defs"]["Recipe"]["properties"] | schema["properties"]["factors"]["properties"]
