"""Optimizers, schedules and losses in a sweep file: what is read, what is refused, what is one recipe."""

import pytest

from skipray.spec import SpecError, load_sweep
from skipray.spec.optimizers import ARGUMENTS, REFUSED

GOOD = """\
name: small
question: How deep?
dataset: {name: digits}
model: {kind: mlp, width: 8, normalization: batch, initialisation: he_normal, activation: relu}
recipe:
  epochs: 2
  batch_size: 128
  learning_rate: 0.05
  weight_decay: 1e-4
  schedule: constant
  augmentation: none
  momentum: 0.9
factors:
  architecture: [plainnet]
  depth: [8]
seeds: [0]
"""


def load(folder, text, *overrides):
    path = folder / "small.yaml"
    path.write_text(text)
    return load_sweep(path, overrides)


def only(folder, *overrides):
    (trial,) = load(folder, GOOD, *overrides).trials()
    return trial


def refused(folder, *overrides, text=GOOD):
    with pytest.raises(SpecError) as caught:
        load(folder, text, *overrides)
    return str(caught.value)


def test_sgd_by_name_is_what_is_there_without_one(tmp_path):
    plain = only(tmp_path)
    assert plain.recipe.optimizer is None
    for text in ("sgd", "{name: sgd}"):
        assert only(tmp_path, f"recipe.optimizer={text}").trial_id == plain.trial_id
    assert only(tmp_path, "recipe.optimizer={name: sgd, dampening: 0.1}").trial_id != plain.trial_id


def test_another_optimizer_reads_no_momentum(tmp_path):
    by_name = only(tmp_path, "recipe.optimizer=adamw")
    assert by_name.recipe.momentum is None
    without = GOOD.replace("  momentum: 0.9\n", "  optimizer: {name: adamw}\n")
    assert load(tmp_path, without).trials()[0].trial_id == by_name.trial_id
    assert by_name.trial_id != only(tmp_path, "recipe.optimizer={name: adamw, betas: [0.9, 0.95]}").trial_id


def test_an_optimizer_as_a_factor(tmp_path):
    text = GOOD.replace("factors:\n", "factors:\n  optimizer: [sgd, {name: adamw, betas: [0.9, 0.95]}]\n")
    trials = load(tmp_path, text).trials()
    assert [t.label for t in trials] == [
        "plainnet-d008-s00-optimizer=sgd",
        "plainnet-d008-s00-optimizer=adamw(betas=0.9,0.95)",
    ]
    assert [t.recipe.momentum for t in trials] == [0.9, None]
    twice = text.replace("factors:\n", "factors:\n  momentum: [0, 0.9]\n").replace("  momentum: 0.9\n", "")
    assert "twice (adamw has no momentum)" in refused(tmp_path, text=twice)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("recipe.optimizer=adamv", "found 'adamv'; allowed: adadelta, adafactor, adagrad, adam,"),
        ("recipe.optimizer=sparseadam", "takes sparse gradients only"),
        ("recipe.optimizer={name: adamw, beta: 1}", "found the argument beta; allowed for adamw: betas, eps,"),
        ("recipe.optimizer={name: adamw, betas: 0.9}", "found betas 0.9; allowed for adamw: a list of 2 numbers"),
        ("recipe.optimizer={name: adamw, betas: [0.9]}", r"found betas [0.9]; allowed for adamw: a list of 2 numbers"),
        ("recipe.optimizer={name: adamw, amsgrad: 1}", "found amsgrad 1; allowed for adamw: true or false"),
        ("recipe.optimizer={name: adamw, lr: 1}", "found the argument lr (the recipe has it as recipe.learning_rate)"),
        ("recipe.optimizer={name: sgd, momentum: 0.5}", "(the recipe has it as recipe.momentum)"),
        ("recipe.optimizer={name: lbfgs, line_search_fn: wolfe}", "found line_search_fn 'wolfe'; allowed for lbfgs"),
        ("recipe.optimizer=lbfgs", "found 0.0001 with lbfgs, which has no weight decay; allowed: 0"),
        ("recipe.optimizer={betas: [0.9, 0.95]}", "found a mapping; allowed: a name, or a mapping with the key name"),
        ("recipe.optimizer=nowhere:Adam", "importing 'nowhere' failed"),
        ("recipe.momentum=null", "found nothing, but sgd needs it; allowed: a number at least 0 and below 1"),
        ("recipe.schedule=inverse_sqrt", "found 0; allowed with inverse_sqrt, which falls from the warm-up's end"),
        ("recipe.schedule=nowhere:f", "importing 'nowhere' failed"),
        ("recipe.loss=hinge", "found 'hinge'; allowed: cross_entropy, binary, mse, or module:name for your own"),
        ("recipe.loss={name: mse, label_smoothing: 0.1}", "found the argument label_smoothing; allowed for mse: none"),
        (
            "recipe.loss={name: cross_entropy, label_smoothing: 1}",
            "found label_smoothing 1; allowed: a number at least",
        ),
        ("recipe.mixing=cutout", "found 'cutout'; allowed: mixup, cutmix"),
        ("recipe.mixing={name: mixup, alpha: 0}", "found alpha 0; allowed: a number above 0"),
        ("recipe.gradient_accumulation=200", "found 200; allowed: at most batch_size (128)"),
    ],
)
def test_what_is_refused_is_named_with_its_place(tmp_path, override, said):
    found = refused(tmp_path, override)
    assert said in found
    assert f"--set {override}" in found or "small.yaml:" in found


@pytest.mark.parametrize("schedule", ["constant", "he2015", "step"])
def test_a_final_rate_is_refused_beside_schedules_that_do_not_end_at_it(tmp_path, schedule):
    more = ("recipe.milestones=[0.5]", "recipe.gamma=0.1") if schedule == "step" else ()
    beside = (f"recipe.schedule={schedule}", *more)
    found = refused(tmp_path, *beside, "recipe.final_learning_rate=0.01")
    said = f"found 0.01 beside the schedule {schedule}, which does not end at it; allowed: left out, or with cosine,"
    assert f"recipe.final_learning_rate: {said} linear, one_cycle" in found
    assert "factors.final_learning_rate.1: " + said in refused(
        tmp_path, *beside, "factors.final_learning_rate=[0, 0.01]"
    )
    assert only(tmp_path, *beside, "recipe.final_learning_rate=0").trial_id == only(tmp_path, *beside).trial_id


def test_a_final_rate_is_a_factor_where_the_schedule_ends_at_it(tmp_path):
    text = GOOD.replace("  schedule: constant\n", "").replace(
        "factors:\n", "factors:\n  schedule: [constant, cosine]\n  final_learning_rate: [0, 0.01]\n"
    )
    assert "factors.final_learning_rate.1: found 0.01 beside the schedule constant" in refused(tmp_path, text=text)
    left = load(tmp_path, text, "exclude=[{schedule: constant, final_learning_rate: 0.01}]").trials()
    assert [(t.recipe.schedule, t.recipe.final_learning_rate) for t in left] == [
        ("constant", 0.0),
        ("cosine", 0.0),
        ("cosine", 0.01),
    ]


@pytest.mark.parametrize("name", [*sorted(ARGUMENTS), *sorted(REFUSED)])
def test_every_optimizers_wrong_argument_is_refused_with_file_and_line(tmp_path, name):
    text = GOOD.replace("  momentum: 0.9\n", f"  optimizer: {{name: {name}, nonsense: 1}}\n")
    line = text[: text.index("  optimizer:")].count("\n") + 1
    said = refused(tmp_path, text=text)
    assert f"small.yaml:{line}: recipe.optimizer: found" in said
    if name in ARGUMENTS:
        assert f"found the argument nonsense; allowed for {name}: {', '.join(ARGUMENTS[name])}" in said
        for argument, kind in ARGUMENTS[name].items():
            wrong = text.replace("nonsense: 1", f"{argument}: [a, b, c, d]")
            place = f"small.yaml:{line}: recipe.optimizer: found {argument} "
            assert place in refused(tmp_path, text=wrong)
            assert f"allowed for {name}: {kind}" in refused(tmp_path, text=wrong)


def test_ones_own_optimizer_is_held_to_its_signature(tmp_path, monkeypatch):
    (tmp_path / "my_optimizers.py").write_text(
        "class Lion:\n    def __init__(self, params, lr, beta=0.9):\n        pass\n"
        "class NoRate:\n    def __init__(self, params):\n        pass\n"
        "def loss(scores):\n    return scores.mean()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    trial = only(tmp_path, "recipe.optimizer={name: 'my_optimizers:Lion', beta: 0.5}", "recipe.weight_decay=0")
    assert dict(trial.source_hashes).keys() == {"my_optimizers:Lion"}
    own = "recipe.optimizer={name: 'my_optimizers:Lion', betas: 0.5}"
    assert "found the argument betas; allowed for my_optimizers:Lion: beta" in refused(tmp_path, own)
    assert "takes no weight_decay; allowed: 0" in refused(tmp_path, "recipe.optimizer='my_optimizers:Lion'")
    assert "takes no lr" in refused(tmp_path, "recipe.optimizer='my_optimizers:NoRate'", "recipe.weight_decay=0")
    said = refused(tmp_path, "recipe.loss='my_optimizers:loss'")
    assert "does not take (scores, targets): too many positional arguments" in said


@pytest.mark.parametrize("mode", ["default", "max-autotune", "auto"])
def test_compiled_steps_are_other_trials(tmp_path, mode):
    plain = only(tmp_path)
    assert plain.recipe.compile == "none"
    assert only(tmp_path, "recipe.compile=none").trial_id == plain.trial_id
    assert "compile" not in plain.identity["recipe"]
    compiled = only(tmp_path, f"recipe.compile={mode}")
    assert compiled.trial_id != plain.trial_id
    assert compiled.flat()["recipe.compile"] == mode


def test_ways_of_compiling_are_a_factor(tmp_path):
    text = GOOD.replace("  depth: [8]", "  depth: [8]\n  compile: [none, default]")
    assert [t.label for t in load(tmp_path, text).trials()] == [
        "plainnet-d008-s00-compile=none", "plainnet-d008-s00-compile=default"
    ]  # fmt: skip


def test_what_cannot_be_compiled_so_is_refused(tmp_path):
    words = refused(tmp_path, "recipe.compile=fast")
    modes = "none, default, reduce-overhead, max-autotune, auto"
    assert f"recipe.compile: found 'fast'; allowed: {modes}" in words
    graphs = refused(tmp_path, "recipe.compile=reduce-overhead")
    assert "found reduce-overhead, which is CUDA graphs, with resources.device cpu; allowed there: none" in graphs
    trial = only(tmp_path, "recipe.compile=reduce-overhead", "resources.device=cuda")
    assert trial.recipe.compile == "reduce-overhead"
