"""What fits together in the sections tune and adaptive, and with the rest of a sweep file."""

import difflib

from skipray.spec import recipes
from skipray.spec.cell import bare_name
from skipray.spec.depth_rules import is_rule
from skipray.spec.fields import Adaptive, Recipe, SweepFile, Tune
from skipray.spec.ranges import wrong_end
from skipray.spec.reading.mistakes import Mistakes
from skipray.spec.words import allowed_words, is_number, value_limits


def check_tune(file: SweepFile, tune: Tune, mistakes: Mistakes) -> None:
    numbers = [name for name, info in Recipe.model_fields.items() if is_number(info.annotation)]
    factors = {bare_name(key) for key in file.factors}
    for name, reach in tune.space.items():
        here = ("tune", "space", name)
        if name not in numbers:
            near = difflib.get_close_matches(name, numbers, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            mistakes.add(here, f"found no number of the recipe{hint}; allowed: {', '.join(numbers)}")
            continue
        if name in factors:
            mistakes.add(here, "found a factor of this sweep; allowed: what is not compared")
        _check_set_elsewhere(file, name, mistakes)
        schedule = file.recipe.get("schedule", recipes.ENDING[0])
        if name == "final_learning_rate" and schedule not in recipes.ENDING:
            allowed = f"with {', '.join(recipes.ENDING)}"
            mistakes.add(here, f"found it beside the schedule {schedule}, which does not end at it; allowed: {allowed}")
        wrong = wrong_end(reach)
        if wrong == "high":
            mistakes.add((*here, "high"), f"found {reach.high}; allowed: above low ({reach.low})")
        elif wrong == "low":
            mistakes.add((*here, "low"), "found 0 on a log scale; allowed: above 0, or the scale linear")
        for end in ("low", "high"):
            limits = value_limits(Recipe, name)
            if not limits.holds(getattr(reach, end)):
                words = allowed_words(Recipe, (name,), {})
                mistakes.add((*here, end), f"found {getattr(reach, end)}; allowed: {words}")
    if file.adaptive is not None:
        mistakes.add(("adaptive",), "found it beside tune; allowed: one of the two")
    if file.recipe.get("epochs") == 0:
        mistakes.add(("tune",), "found a study of 0 epochs; allowed: recipe.epochs of at least 1")
    warmup, epochs = tune.space.get("warmup_epochs"), file.recipe.get("epochs")
    if warmup is not None and isinstance(epochs, int) and warmup.high >= epochs:
        end_key = ("tune", "space", "warmup_epochs", "high")
        mistakes.add(end_key, f"found {warmup.high}; allowed: below epochs ({epochs})")
    for seed in {s for s in tune.seeds if tune.seeds.count(s) > 1}:
        mistakes.add(("tune", "seeds"), f"found {seed} twice; allowed: each seed once")
    for seed in sorted(set(tune.seeds) & set(file.seeds)):
        mistakes.add(("tune", "seeds"), f"found {seed}, a seed of the sweep; allowed: others, so that finals are fresh")


def _check_set_elsewhere(file: SweepFile, name: str, mistakes: Mistakes) -> None:
    """A tuned field is one number for a point, whatever the network."""
    if is_rule(file.recipe.get(name)):
        allowed = "one of the two, since a point of the study is one number for all depths"
        found = f"found it beside recipe.{name}, which follows the depth by a rule"
        mistakes.add(("tune", "space", name), f"{found}; allowed: {allowed}")
    for i, row in enumerate(file.include):
        for key in row:
            if bare_name(key) == name:
                mistakes.add(("include", i, key), "found it beside tune.space, which sets it; allowed: one of the two")


def check_adaptive(file: SweepFile, adaptive: Adaptive, mistakes: Mistakes) -> None:
    if adaptive.low >= adaptive.high:
        mistakes.add(("adaptive", "high"), f"found {adaptive.high}; allowed: above low ({adaptive.low})")
    for key in file.factors:
        if bare_name(key) == "depth":
            mistakes.add(("factors", key), "found it beside adaptive, which chooses depths; allowed: one of the two")
    if "depth" in file.model:
        mistakes.add(("model", "depth"), "found it beside adaptive, which chooses depths; allowed: one of the two")
    for i, row in enumerate(file.include):
        for key in row:
            if bare_name(key) == "depth":
                mistakes.add(("include", i, key), "found it beside adaptive, which chooses depths; allowed: no depth")
    if len(file.seeds) < 2:
        mistakes.add(("seeds",), "found 1 seed; allowed: at least 2 that a depth can be tried with")
