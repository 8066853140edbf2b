"""The sweep file: what is read, what is refused, and how it is said."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from skipray.spec import SpecError, TrialSpec, canonical_json, load_sweep

GOOD = """\
name: small
question: How deep?
dataset: {name: digits}
model:
  kind: mlp
  width: 64
  normalization: batch
  initialisation: he_normal
  activation: relu
  residual_scale: 1
  cardinality: 4
  group_width: 20
recipe:
  epochs: 2
  batch_size: 128
  learning_rate: 0.05
  momentum: 0.9
  weight_decay: 1e-4
  schedule: constant
  augmentation: none
factors:
  architecture: [plainnet, resnet, resnext]
  depth: [8, 20]
seeds: [0, 1]
"""


def load(folder: Path, text: str, *overrides: str):
    path = folder / "small.yaml"
    path.write_text(text)
    return load_sweep(path, overrides)


def refused(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(SpecError) as caught:
        load(folder, text, *overrides)
    assert [p.name for p in folder.iterdir()] == ["small.yaml"], "nothing is created"
    return str(caught.value)


def test_product_of_factors_in_the_files_order_seeds_innermost(tmp_path):
    trials = load(tmp_path, GOOD).trials()
    assert [(t.model.architecture, t.model.depth, t.seed) for t in trials] == [
        (a, d, s) for a in ("plainnet", "resnet", "resnext") for d in (8, 20) for s in (0, 1)
    ]
    assert len({t.trial_id for t in trials}) == 12
    assert trials[0].label == "plainnet-d008-s00"


def test_yaml_1_2_numbers(tmp_path):
    for text, value in (("1e-4", 1e-4), ("1E-4", 1e-4), ("1.0e-4", 1e-4), ("0.0001", 1e-4), ("1", 1.0), (".5", 0.5)):
        sweep = load(tmp_path, GOOD.replace("1e-4", text))
        assert sweep.trials()[0].recipe.weight_decay == value
    # In YAML 1.1 these are a boolean, an octal and a sexagesimal number.
    assert "found 'no'" in refused(tmp_path, GOOD.replace("schedule: constant", "schedule: no"))
    assert load(tmp_path, GOOD.replace("width: 64", "width: 064")).trials()[0].model.width == 64


def test_include_and_exclude(tmp_path):
    text = GOOD + "include:\n- {architecture: resnet, depth: 38}\nexclude:\n- {architecture: resnext}\n"
    cells = {(t.model.architecture, t.model.depth) for t in load(tmp_path, text).trials()}
    assert cells == {("plainnet", 8), ("plainnet", 20), ("resnet", 8), ("resnet", 20), ("resnet", 38)}


def test_what_several_families_refuse_alike_is_one_line(tmp_path):
    said = refused(tmp_path, GOOD.replace("[8, 20]", "[8, 21]")).splitlines()
    assert [line.split(": ", 2)[2] for line in said] == [
        "found the depth 21; allowed for plainnet (mlp), resnet (mlp): 2n + 2, the nearest are 20 and 22",
        "found the depth 21; allowed for resnext (mlp): 3n + 2, the nearest are 20 and 23",
    ]


def test_a_name_and_the_mapping_of_a_name_are_one_value_where_cells_are_excluded(tmp_path):
    for written, excluded in (
        ("adamw", "{name: adamw}"),
        ("{name: adamw}", "adamw"),
        ("adamw", "[{name: adamw}, sgd]"),
    ):
        text = GOOD.replace("  momentum: 0.9\n", "").replace(
            "  depth: [8", f"  optimizer: [rmsprop, {written}]\n  depth: [8"
        )
        cells = load(tmp_path, f"{text}exclude:\n- {{optimizer: {excluded}}}\n").cells
        assert {c.recipe.optimizer["name"] for c in cells} == {"rmsprop"}, excluded


def test_an_option_that_one_family_takes_is_dropped_from_the_others(tmp_path):
    text = GOOD.replace("[plainnet, resnet, resnext]", "[plainnet, transformer]").replace(
        "cardinality: 4", "options: {heads: 2}"
    )
    sweep = load(tmp_path, text.replace("  kind: mlp\n", "").replace("group_width: 20", "kind: mlp"))
    assert {c.model.architecture: dict(c.model.options) for c in sweep.cells} == {
        "plainnet": {},
        "transformer": {"heads": 2},
    }


def test_what_a_row_of_include_varies_is_a_factor_of_every_cell(tmp_path):
    """Else a network with another activation, say, would share the plain one's trend."""
    text = GOOD + "include:\n- {architecture: resnet, depth: 8, activation: tanh, recipe.learning_rate: 0.01}\n"
    sweep = load(tmp_path, text)
    assert [c.cell.values["learning_rate"] for c in sweep.cells] == [0.05] * 6 + [0.01]
    assert [c.cell.values["activation"] for c in sweep.cells] == ["relu"] * 6 + ["tanh"]
    assert len({tuple(c.cell.values) for c in sweep.cells}) == 1
    assert [c.trial_id for c in sweep.cells[:6]] == [c.trial_id for c in load(tmp_path, GOOD).cells]
    lacking = GOOD.replace("[plainnet, resnet, resnext]", "[plainnet, resnet]").replace("  cardinality: 4\n", "")
    row = "include:\n- {architecture: resnext, depth: 8, cardinality: 4, group_width: 16}\n"
    cells = load(tmp_path, lacking + row).cells
    assert [c.cell.values.get("cardinality") for c in cells] == [None] * 4 + [4]


def test_any_recipe_or_model_field_is_a_factor(tmp_path):
    text = GOOD.replace("  learning_rate: 0.05\n", "").replace(
        "seeds:", "  recipe.learning_rate: [0.1, 0.01]\n  width: [32]\nseeds:"
    )
    text = text.replace("  width: 64\n", "")
    trials = load(tmp_path, text).trials()
    assert {t.recipe.learning_rate for t in trials} == {0.1, 0.01}
    assert trials[0].label == "plainnet-d008-s00-learning_rate=0.1-width=32"


def test_override_is_recorded_and_changes_the_identity(tmp_path):
    before, after = load(tmp_path, GOOD), load(tmp_path, GOOD, "recipe.epochs=3", "seeds=[5]")
    assert after.overrides == ("recipe.epochs=3", "seeds=[5]")
    assert {t.seed for t in after.trials()} == {5}
    assert after.trials()[0].recipe.epochs == 3
    assert not {t.trial_id for t in before.trials()} & {t.trial_id for t in after.trials()}


def test_trial_id_covers_the_numbers_and_nothing_else(tmp_path):
    def ids(text: str, *overrides: str) -> set[str]:
        return {t.trial_id for t in load(tmp_path, text, *overrides).trials()}

    base = ids(GOOD)
    for same in (
        "name=other",
        "question=why",
        "probe.samples=64",
        "resources.max_concurrent=2",
        "tracking.save_weights=false",
    ):
        assert ids(GOOD, same) == base, same
    reordered = GOOD.replace("  kind: mlp\n  width: 64\n", "  width: 64\n  kind: mlp\n")
    assert ids(reordered) == base
    assert ids(GOOD, "recipe.learning_rate=0.050") == base
    for other in ("recipe.batch_size=64", "model.width=32", "resources.threads=2", "dataset.validation_fraction=0.2"):
        assert not ids(GOOD, other) & base, other
    # A family's identity does not depend on fields that it has no use for.
    wide = {t.trial_id for t in load(tmp_path, GOOD, "model.cardinality=2").trials()}
    assert len(wide & base) == 8


def test_trials_of_a_shorter_file_are_a_subset(tmp_path):
    fewer = {t.trial_id for t in load(tmp_path, GOOD.replace("[8, 20]", "[8]")).trials()}
    assert fewer < {t.trial_id for t in load(tmp_path, GOOD).trials()}


def test_canonical_json_knows_one_number_in_one_way():
    assert canonical_json({"b": 1.0, "a": (1, 2.5)}) == '{"a":[1,2.5],"b":1}'
    with pytest.raises(ValueError):
        canonical_json(float("nan"))


def test_flat_holds_scalars_only(tmp_path):
    flat = load(tmp_path, GOOD).trials()[0].flat()
    assert flat["model.depth"] == 8
    assert flat["recipe.weight_decay"] == 1e-4
    assert all(isinstance(v, str | int | float | bool) for v in flat.values())
    assert "model.cardinality" not in flat  # a plain network has none


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.split("\n"), 1) if part in line)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("width: 64", "widht: 64", r"model\.widht: found an unknown key \(did you mean width\?\); allowed: "),
        ("question:", "qestion:", r"qestion: found an unknown key \(did you mean question\?\)"),
        ("width: 64", "width: wide", r"model\.width: found 'wide'; allowed: an integer at least 1"),
        ("width: 64", "width: -64", r"model\.width: found -64; allowed: an integer at least 1"),
        ("width: 64", "width: 64.5", r"model\.width: found 64\.5; allowed: an integer"),
        ("width: 64", "width: true", r"model\.width: found true; allowed: an integer"),
        ("width: 64", "width: [64]", r"model\.width: found \[64\]; allowed: an integer"),
        ("width: 64", "width:", r"model\.width: found null; allowed: an integer"),
        ("depth: [8, 20]", "depth: [8, 21]", r"depth.*found the depth 21; allowed .* 20 "),
        ("depth: [8, 20]", "depth: [8, 8]", r"found 8 twice; allowed: each value once"),
        ("depth: [8, 20]", "depth: []", r"found an empty list"),
        ("depth: [8, 20]", "depth: 8", r"factors\.depth: found 8; allowed: a list"),
        ("depth: [8, 20]", "depht: [8]", r"found an unknown factor \(did you mean depth\?\)"),
        ("[plainnet,", "[planenet,", r"found 'planenet' \(did you mean plainnet\?\); allowed: "),
        ("name: digits", "name: digit", r"dataset\.name: found 'digit' \(did you mean digits\?\)"),
        ("initialisation: he_normal", "initialisation: he", r"found 'he'"),
        ("seeds: [0, 1]", "seeds: []", r"seeds: found \[\]; allowed: "),
        ("seeds: [0, 1]", "seeds: [0, 0]", r"seeds: found 0 twice"),
        ("seeds: [0, 1]", "seeds: [-1]", r"seeds\.0: found -1; allowed: "),
        ("seeds: [0, 1]", "seeds: 3", r"seeds: found 3"),
        (
            "seeds: [0, 1]",
            "seeds: [0, 1]\nprobe: {preset: none, metrics: [log_length]}",
            r"probe\.metrics: found 'log_length' with preset none, which measures nothing; allowed: left out, or",
        ),
        (
            "seeds: [0, 1]",
            "seeds: [0, 1]\nprobe: {preset: none, every_epochs: 2}",
            r"probe\.every_epochs: found 2 with",
        ),
        (
            "weight_decay: 1e-4",
            "weight_decay: '1e-4'",
            r"found '1e-4' \(a text in quotes\); allowed: a number at least 0",
        ),
        ("weight_decay: 1e-4", "weight_decay: 1e-4x", r"found '1e-4x'; allowed: a number at least 0"),
        ("weight_decay: 1e-4", "weight_decay: -1e-4", r"found -0\.0001; allowed: a number at least 0"),
        ("weight_decay: 1e-4", "weight_decay: .nan", r"found nan"),
        ("weight_decay: 1e-4", "weight_decay: .inf", r"found inf"),
        ("learning_rate: 0.05", "learning_rate: 0", r"recipe\.learning_rate: found 0; allowed: a number above 0"),
        ("momentum: 0.9", "momentum: 1.5", r"found 1\.5; allowed: a number at least 0.* below 1"),
        (
            "schedule: constant",
            "schedule: lineal",
            r"found .lineal.; allowed: constant, step, cosine, he2015, linear, one_cycle, inverse_sqrt or module:name",
        ),
        ("schedule: constant", "schedule: step", r"without milestones and gamma"),
        ("normalization: batch", "normalization: instance", r"found 'instance'; allowed: batch, layer, none"),
        (
            "residual_scale: 1",
            "residual_scale: -0.5",
            r"residual_scale: found -0\.5; allowed: 1, inverse_sqrt_depth, learned or a number above 0",
        ),
        (
            "  group_width: 20",
            "  group_width: 20\n  options: {heads: 2}",
            r"options\.heads: found .* heads; allowed .*: none",
        ),
        ("seeds: [0, 1]", "seeds: !include seeds.yaml", r":\d+: seeds: found the tag !include; allowed: text, numbers"),
        (
            "seeds: [0, 1]",
            "seeds: !!python/object:os.system [0]",
            r"seeds: found the tag !!python/object:os.system; allowed",
        ),
        ("name: small", "name: ../small", r"name: found '\.\./small'; allowed: a name of"),
        ("name: small", "name: [small]", r"name: found \['small'\]"),
        ("kind: mlp", "kind: rnn", r"found 'rnn'; allowed: mlp, cnn"),
        ("  group_width: 20", "  group_width: 20\n  width: 3", r"duplicate key"),
        ("seeds: [0, 1]", "seeds: [0, 1]\nexclude: [{depth: 99}]", r"found a row that excludes nothing"),
        ("seeds: [0, 1]", "seeds: [0, 1]\ninclude: [{architecture: resnet, depth: 8}]", r"found the cell .* twice"),
        (
            "seeds: [0, 1]",
            "seeds: [0, 1]\ninclude:\n- {architecture: resnet, depth: 8, batch_size: 64, weight_decay: 0.01}\n"
            "- {architecture: resnet, depth: 8, batch_size: 64, weight_decay: 0.010000000000000002}",
            r"found the cells .*0\.01\} and .*0\.010000000000000002\}, which are both called resnet depth 8 .*=0\.01; ",
        ),
        ("seeds: [0, 1]", "seeds: [0, 1]\nresources: {threads: 0}", r"resources\.threads: found 0"),
        ("seeds: [0, 1]", "seeds: [0, 1]\nprobe: {samples: many}", r"probe\.samples: found 'many'"),
        ("seeds: [0, 1]", "seeds: [0, 1]\n1: 2", r"found the key 1; allowed: text"),
        ("question: How deep?", "question: 2020-01-01", r"found a date"),
    ],
)
def test_bad_specs_name_line_key_finding_and_allowed(tmp_path, old, new, found):
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    message = refused(tmp_path, text)
    assert re.search(found, message), message
    place = re.match(r".*small\.yaml:(\d+): ", message)
    assert place, message
    expected = line_of(text, new.split("\n")[-1])
    assert int(place[1]) == expected, message


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "found an empty file"),
        ("# only a comment\n", "found an empty file"),
        ("- a\n- b\n", "found a list"),
        ("just words\n", "found a text"),
        ("a: [1, 2\n", "not YAML"),
        ("a: b: c\n", "not YAML"),
        ("\tname: x\n", "not YAML"),
        ("name: &a [*a]\n", "name: found "),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{k}: &{k} [" + ",".join(["*" + p] * 10) + "]\n" for p, k in zip("abcdef", "bcdefg", strict=True)
            ),
            "more than",
        ),
        ("name: !!python/object/apply:os.system ['touch hacked']\n", "found"),
    ],
)
def test_files_that_are_no_sweep(tmp_path, text, found):
    assert found in refused(tmp_path, text)


def test_missing_keys_are_named(tmp_path):
    message = refused(tmp_path, GOOD.replace("  batch_size: 128\n", "").replace("  activation: relu\n", ""))
    assert "recipe.batch_size: found nothing; allowed: an integer at least 1" in message
    assert "model.activation: found nothing; allowed: elu, gelu, leaky_relu, linear, relu" in message
    assert "seeds: found nothing" in refused(tmp_path, GOOD.replace("seeds: [0, 1]", ""))


def test_all_mistakes_at_once(tmp_path):
    text = GOOD.replace("question: How deep?", "question: 3").replace("seeds: [0, 1]", "seeds: []")
    assert len(refused(tmp_path, text).splitlines()) == 2


def test_a_value_that_a_family_does_not_use_still_has_to_be_right(tmp_path):
    text = GOOD.replace("[plainnet, resnet, resnext]", "[plainnet]").replace("cardinality: 4", "cardinality: four")
    assert "model.cardinality: found 'four'" in refused(tmp_path, text)


def test_a_field_that_a_family_needs(tmp_path):
    assert "resnext (mlp) needs it" in refused(tmp_path, GOOD.replace("  cardinality: 4\n", ""))


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("recipe.epochs", "found no value"),
        ("recipe.epochs=two", "found 'two'"),
        ("recipe.epoch=2", "did you mean epochs"),
        ("model.depth=8", "depth is a factor"),
        ("name.x=1", "holds no keys"),
    ],
)
def test_bad_overrides(tmp_path, override, found):
    message = refused(tmp_path, GOOD, override)
    assert found in message
    assert override in message


def test_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "quickstart.yaml").write_text(GOOD)
    with pytest.raises(SpecError, match=r"did you mean .*quickstart\.yaml"):
        load_sweep(tmp_path / "quikstart.yaml")


def test_trials_pickle_small(tmp_path):
    import pickle

    trial = load(tmp_path, GOOD).trials()[0]
    again = pickle.loads(pickle.dumps(trial))
    assert isinstance(again, TrialSpec)
    assert again == trial
    assert again.trial_id == trial.trial_id


TUNE = """\
tune:
  space:
    learning_rate: {low: 1e-3, high: 1.0, scale: log}
    weight_decay: {low: 0.0, high: 1e-3, scale: linear}
  trials: 4
  sampler: sobol
  seeds: [100]
"""
ADAPTIVE = "adaptive: {low: 8, high: 60, width: 1.5, max_trials: 20}\n"
CHOSEN = GOOD.replace("  depth: [8, 20]\n", "") + ADAPTIVE


def test_a_tuned_sweep_knows_its_points_and_the_default_finals(tmp_path):
    trials = load(tmp_path, GOOD + TUNE).trials()
    points = [t for t in trials if t.phase == "tune"]
    finals = [t for t in trials if t.phase == "final"]
    assert len(points) == 6 * 4
    assert {t.seed for t in points} == {100}
    assert {(t.probe.preset, t.save_weights, t.setting) for t in points} == {("none", False, "point")}
    assert [t.trial_id for t in finals] == [t.trial_id for t in load(tmp_path, GOOD).trials()]
    assert {t.setting for t in finals} == {"default"}
    assert len({t.trial_id for t in trials}) == len(trials)
    assert len({t.label for t in trials}) == len(trials)


def test_the_points_of_tpe_are_not_known_beforehand(tmp_path):
    assert all(t.phase == "final" for t in load(tmp_path, GOOD + TUNE, "tune.sampler=tpe").trials())


def test_phase_setting_and_point_are_not_in_the_trial_id(tmp_path):
    trial = load(tmp_path, GOOD).trials()[0]
    assert replace(trial, phase="tune", setting="point", point=3, study="x").trial_id == trial.trial_id


def test_an_adaptive_sweep_has_every_depth_that_a_family_can_have(tmp_path):
    sweep = load(tmp_path, CHOSEN)
    depths = {}
    for cell in sweep.cells:
        depths.setdefault(cell.model.architecture, []).append(cell.model.depth)
    assert depths["plainnet"] == depths["resnet"] == list(range(8, 61, 2))
    assert depths["resnext"] == list(range(8, 61, 3))
    assert sweep.cells[0].cell.values == {"architecture": "plainnet", "depth": 8}


@pytest.mark.parametrize(
    ("text", "overrides", "found"),
    [
        (
            TUNE,
            ["recipe.learning_rate={value: 0.1, rule: inverse_depth, reference: 8}"],
            "tune.space.learning_rate: found it beside recipe.learning_rate, which follows the depth by a rule",
        ),
        (
            TUNE,
            ["include=[{architecture: plainnet, depth: 26, recipe.learning_rate: 0.2}]"],
            "include.0.recipe.learning_rate: found it beside tune.space, which sets it; allowed: one of the two",
        ),
        (TUNE, ["tune.space.lerning_rate={low: 1, high: 2, scale: log}"], "did you mean learning_rate?"),
        (TUNE, ["tune.space.epochs={low: 1, high: 2, scale: log}"], "found no number of the recipe"),
        (TUNE, ["tune.space.learning_rate.low=1.0"], r"tune.space.learning_rate.high: found 1.0; allowed: above low"),
        (TUNE, ["tune.space.weight_decay.scale=log"], "found 0 on a log scale"),
        (TUNE, ["tune.space.learning_rate.scale=cubic"], "found 'cubic'; allowed: log, linear"),
        (TUNE, ["tune.space.learning_rate.hgh=1"], r"did you mean high\?"),
        (TUNE, ["tune.space.learning_rate.low=-1"], "found -1; allowed: a number at least 0"),
        (TUNE, ["tune.space.learning_rate.low=slow"], "found 'slow'; allowed: a number at least 0"),
        (TUNE, ["tune.space.momentum={low: 0.5, high: 1.0, scale: linear}"], "a number at least 0 and below 1"),
        (TUNE, ["tune.space.warmup_epochs={low: 0.5, high: 2, scale: linear}"], r"found 2.0; allowed: below epochs"),
        (
            TUNE,
            ["tune.space.final_learning_rate={low: 0, high: 0.1, scale: linear}"],
            "tune.space.final_learning_rate: found it beside the schedule constant, which does not end at it; allowed",
        ),
        ("tune:\n", [], "tune: found null; allowed: a mapping with the keys space, trials, sampler, seeds, extensions"),
        ("adaptive:\n", [], "adaptive: found null; allowed: a mapping with the keys low, high, width, max_trials"),
        (TUNE, ["tune.space={}"], "tune.space: found an empty mapping"),
        (TUNE, ["tune.trials=1"], "found 1; allowed: an integer at least 2 and at most 1024"),
        (TUNE, ["tune.sampler=grid"], "found 'grid'; allowed: sobol, tpe"),
        (TUNE, ["tune.seeds=[1]"], "found 1, a seed of the sweep"),
        (TUNE, ["tune.seeds=[7, 7]"], "found 7 twice"),
        (TUNE, ["tune.seeds=[]"], "tune.seeds: found"),
        (TUNE, ["tune.extensions=-1"], "found -1; allowed: an integer at least 0"),
        (TUNE, ["recipe.epochs=0"], "found a study of 0 epochs"),
        (TUNE, ["tune.budget=3"], "found an unknown key"),
        (TUNE.replace("  trials: 4\n", ""), [], "tune.trials: found nothing"),
        (TUNE, ["factors.weight_decay=[1e-4, 1e-3]"], "found a factor of this sweep"),
        (TUNE + ADAPTIVE, [], "found it beside tune; allowed: one of the two"),
        (ADAPTIVE, [], "factors.depth: found it beside adaptive"),
    ],
)  # fmt: skip
def test_bad_tuning_is_refused(tmp_path, text, overrides, found):
    said = refused(tmp_path, GOOD + text, *overrides)
    assert re.search(found, said), said
    assert re.search(r"small\.yaml:\d+: |--set ", said)


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        (["adaptive.high=8"], "adaptive.high: found 8; allowed: above low"),
        (["adaptive.width=1.0"], "found 1.0; allowed: a number above 1"),
        (["adaptive.max_trials=0"], "found 0; allowed: an integer at least 1"),
        (["adaptive.low=9", "adaptive.high=9"], "allowed: above low"),
        (
            ["adaptive={low: 3, high: 4, width: 2.0, max_trials: 4}", "factors.architecture=[resnext]"],
            "found no depth of",
        ),
        (["model.depth=8"], "model.depth: found it beside adaptive"),
        (["seeds=[0]"], "found 1 seed; allowed: at least 2"),
        (["adaptive.depth=8"], "found an unknown key"),
        (["model.width=0"], "found 0; allowed: an integer at least 1"),
    ],
)
def test_bad_adaptive_sweeps_are_refused(tmp_path, overrides, found):
    said = refused(tmp_path, CHOSEN, *overrides)
    assert re.search(found, said), said
    assert len(said.splitlines()) <= 3, "a mistake of every depth is said once"


def test_a_screenful_of_mistakes_is_enough(tmp_path):
    text = GOOD.replace("[plainnet, resnet, resnext]", "[" + ", ".join(f"net{i}" for i in range(30)) + "]")
    lines = refused(tmp_path, text).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 10 more mistakes"


@pytest.mark.parametrize("value", [10**30, 100_001])
def test_a_depth_beyond_reason_is_refused_not_built(tmp_path, value):
    said = refused(tmp_path, GOOD.replace("[8, 20]", f"[{value}]"))
    assert f"depth.0: found {value}; allowed: an integer at least 1 and at most 100000" in said


def test_an_architecture_that_is_a_number(tmp_path):
    said = refused(tmp_path, CHOSEN.replace("[plainnet, resnet, resnext]", "[20]"))
    assert re.search("found 20; allowed: .*plainnet, .*or module:name", said)


def test_a_seed_changes_the_identity_by_that_number_alone():
    for sweep in (load_sweep(p) for p in sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))):
        for trial in [t for t in sweep.trials() if t.phase == "final"][:: max(1, len(sweep.trials()) // 5)]:
            assert trial.trial_id == replace(trial, seed=trial.seed).trial_id
            assert trial.with_seed(7).trial_id == replace(trial, seed=7).trial_id
            assert trial.with_seed(7).trial_id != trial.with_seed(8).trial_id


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seeds=[a]", "--set seeds=[a]: seeds.0: found 'a'; allowed: "),
        ("seeds=[0, -3]", "--set seeds=[0, -3]: seeds.1: found -3; allowed: "),
        ("factors.depth=[8, x]", "--set factors.depth=[8, x]: factors.depth.1: found 'x'; allowed: "),
        ("seeds=null", "--set seeds=null: seeds: found null; allowed: "),
        ("seeds=0..4", "--set seeds=0..4: seeds: found '0..4'; allowed: "),
    ],
)
def test_a_mistake_of_an_override_is_said_once_and_of_the_override(override: str, said: str) -> None:
    with pytest.raises(SpecError) as refused:
        load_sweep("quickstart", [override])
    assert len(refused.value.mistakes) == 1
    assert str(refused.value).startswith(said)


def test_a_share_and_a_number_that_is_enough_exclude_each_other(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "sweeps" / "quickstart.yaml").read_text()
    for fits in ("fraction: 0.6", "at_least: 0.9"):
        (tmp_path / "a.yaml").write_text(f"{text}\ntrained: {{fits: {{{fits}}}}}\n")
        load_sweep(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text(f"{text}\ntrained: {{fits: {{fraction: 0.6, at_least: 0.9}}}}\n")
    with pytest.raises(SpecError, match=r"trained\.fits\.fraction: found it beside at_least; allowed: one of the two"):
        load_sweep(tmp_path / "a.yaml")
