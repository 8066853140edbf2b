"""What has to fit together in a recipe, and which of its fields are read."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from skipray.extension import catalog
from skipray.spec import optimizers
from skipray.spec.fields import Recipe
from skipray.spec.values import arguments

UNWRITTEN = {"optimizer": "sgd", "loss": "cross_entropy"}
"""What a recipe that leaves these out has."""
LOSSES: dict[str, tuple[str, ...]] = {"cross_entropy": ("label_smoothing",), "binary": (), "mse": ()}
"""Losses of skipray's own, and the arguments of each."""
MIXING: dict[str, tuple[str, ...]] = {"mixup": ("alpha",), "cutmix": ("alpha",)}
"""Ways to mix the samples of a batch, from torchvision.transforms.v2, and the arguments of each."""
ENDING = ("cosine", "linear", "one_cycle")
"""Schedules that end at `final_learning_rate`."""
OF_SGD = ("momentum", "nesterov")
"""Fields that only SGD reads."""


def read_fields(recipe: Recipe) -> Recipe:
    """The recipe with what its optimizer does not read left out, so that two recipes of the same numbers are one."""
    update: dict[str, Any] = {}
    if recipe.optimizer == {"name": "sgd"}:
        update["optimizer"] = None
    elif recipe.optimizer is not None and recipe.optimizer["name"] != "sgd":
        update |= {"momentum": None, "nesterov": False}
    if recipe.loss == {"name": "cross_entropy"} or recipe.loss == {"name": "cross_entropy", "label_smoothing": 0}:
        update["loss"] = None
    return recipe.model_copy(update=update) if update else recipe


def own_names(recipe: Recipe) -> list[str]:
    """Every `module:name` of a recipe."""
    chosen = [c["name"] for c in (recipe.optimizer, recipe.loss, recipe.mixing) if c is not None]
    return [name for name in (*chosen, recipe.schedule) if name and ":" in name]


def mistakes(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """(The field to blame, what was found and what is allowed) of whatever does not fit together."""
    yield from _schedule(recipe)
    if recipe.epochs and recipe.warmup_epochs >= recipe.epochs:
        yield "warmup_epochs", f"found {recipe.warmup_epochs}; allowed: below epochs ({recipe.epochs})"
    if recipe.optimizer is not None:
        yield from optimizers.mistakes(recipe.optimizer, recipe.weight_decay)
    if recipe.momentum is None and (recipe.optimizer is None or recipe.optimizer["name"] == "sgd"):
        yield "momentum", "found nothing, but sgd needs it; allowed: a number at least 0 and below 1"
    if recipe.nesterov and not recipe.momentum:
        yield "nesterov", "found true without momentum; allowed: with a momentum above 0"
    if recipe.loss is not None:
        yield from _chosen("loss", recipe.loss, LOSSES)
        smoothing = recipe.loss.get("label_smoothing", 0)
        if not (_is_number(smoothing) and 0 <= smoothing < 1):
            yield "loss", f"found label_smoothing {smoothing!r}; allowed: a number at least 0 and below 1"
    if recipe.mixing is not None:
        yield from _chosen("mixing", recipe.mixing, MIXING, own=False)
        alpha = recipe.mixing.get("alpha", 1)
        if not (_is_number(alpha) and alpha > 0):
            yield "mixing", f"found alpha {alpha!r}; allowed: a number above 0"
    lbfgs = recipe.optimizer is not None and recipe.optimizer["name"] == "lbfgs"
    if lbfgs and recipe.weight_decay_on != "all":
        yield "weight_decay_on", f"found {recipe.weight_decay_on} with lbfgs, which has no weight decay; allowed: all"
    if recipe.gradient_accumulation > recipe.batch_size:
        most = recipe.batch_size
        yield "gradient_accumulation", f"found {recipe.gradient_accumulation}; allowed: at most batch_size ({most})"


def piece_sizes(recipe: Recipe, samples: int) -> frozenset[int]:
    """How many samples go through the network at once in training: one size or two.

    Args:
        samples: of the training split; an epoch cuts them into batches that differ by at most one.
    """
    batches = -(-samples // recipe.batch_size)
    whole = {samples // batches, -(-samples // batches)}
    pieces = {(size, min(recipe.gradient_accumulation, size)) for size in whole}
    return frozenset(part for size, count in pieces for part in (size // count, -(-size // count)))


def mistakes_on(recipe: Recipe, device: str) -> Iterator[tuple[str, str]]:
    """The same of what does not go with the device that trials run on."""
    if recipe.compile == "reduce-overhead" and device == "cpu":
        found = "found reduce-overhead, which is CUDA graphs, with resources.device cpu"
        yield "compile", f"{found}; allowed there: none, default, max-autotune, auto"


def _schedule(recipe: Recipe) -> Iterator[tuple[str, str]]:
    name = recipe.schedule
    if name == "step" and (recipe.milestones is None or recipe.gamma is None):
        yield "schedule", "found step without milestones and gamma; allowed: all three"
    if name != "step" and (recipe.milestones is not None or recipe.gamma is not None):
        key = "milestones" if recipe.milestones is not None else "gamma"
        yield key, f"found it beside the schedule {name}; allowed: with step only"
    elif recipe.milestones is not None and list(recipe.milestones) != sorted(set(recipe.milestones)):
        yield "milestones", f"found {list(recipe.milestones)}; allowed: fractions of all steps, rising"
    if name not in ENDING and recipe.final_learning_rate:
        beside = f"found {recipe.final_learning_rate:g} beside the schedule {name}, which does not end at it"
        yield "final_learning_rate", f"{beside}; allowed: left out, or with {', '.join(ENDING)}"
    if name == "inverse_sqrt" and recipe.epochs and not recipe.warmup_epochs:
        yield "warmup_epochs", "found 0; allowed with inverse_sqrt, which falls from the warm-up's end: above 0"
    if name == "one_cycle" and recipe.warmup_epochs:
        found = recipe.warmup_epochs
        yield "warmup_epochs", f"found {found} with one_cycle, which has a rise of its own; allowed: 0"
    if ":" in name:
        yield from _callable("schedule", name, ("step", "steps"))


def _chosen(
    key: str, choice: Mapping[str, Any], known: Mapping[str, tuple[str, ...]], *, own: bool = True
) -> Iterator[tuple[str, str]]:
    name = choice["name"]
    if own and ":" in name:
        yield from _callable(key, name, ("scores", "targets"), arguments(choice))
        return
    if name not in known:
        more = ", or module:name for your own" if own else ""
        yield key, f"found {name!r}; allowed: {', '.join(known)}{more}"
        return
    for argument in arguments(choice):
        if argument not in known[name]:
            yield key, f"found the argument {argument}; allowed for {name}: {', '.join(known[name]) or 'none'}"


def _callable(
    key: str, name: str, takes: tuple[str, ...], options: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, str]]:
    """A user's own function, which has to take these and its options."""
    try:
        function = catalog.find(key, name)
    except ValueError as error:
        yield key, str(error)
        return
    if not callable(function):
        yield key, f"found {name!r}, which cannot be called; allowed: a function of {', '.join(takes)}"
        return
    try:
        inspect.signature(function).bind(*takes, **(options or {}))
    except TypeError as error:
        yield key, f"found {name!r}, which does not take ({', '.join([*takes, *(options or {})])}): {error}"
    except ValueError:
        return  # a builtin without a signature: its first call says


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
