"""The optimizers of torch.optim by their names in lower case, and the arguments that a sweep may give each. No torch.

Left out of every row: what the recipe has under its own names (`lr`, `weight_decay`, SGD's `momentum` and `nesterov`),
what only chooses between implementations of one formula (`foreach`, `fused`, `capturable`, `differentiable`), and what
an optimizer by itself does not need here (`params`). A test compares the rows with the signatures of the installed
torch, so that an argument that torch gains, loses or renames is found.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from skipray.extension import catalog
from skipray.spec.values import arguments

NUMBER, WHOLE, FLAG, PAIR, TRIPLE = (
    "a number",
    "an integer",
    "true or false",
    "a list of 2 numbers",
    "a list of 3 numbers",
)
MAYBE_WHOLE, MAYBE_PAIR = "an integer or null", "a list of 2 numbers or nulls"
STRONG_WOLFE = "strong_wolfe or null"
ADJUSTMENT = "original, match_rms_adamw or null"

_ADAM = {"betas": PAIR, "eps": NUMBER, "amsgrad": FLAG, "maximize": FLAG}
ARGUMENTS: dict[str, dict[str, str]] = {
    "adadelta": {"rho": NUMBER, "eps": NUMBER, "maximize": FLAG},
    "adafactor": {"beta2_decay": NUMBER, "eps": MAYBE_PAIR, "d": NUMBER, "maximize": FLAG},
    "adagrad": {"lr_decay": NUMBER, "initial_accumulator_value": NUMBER, "eps": NUMBER, "maximize": FLAG},
    "adam": _ADAM | {"decoupled_weight_decay": FLAG},
    "adamax": {"betas": PAIR, "eps": NUMBER, "maximize": FLAG},
    "adamw": _ADAM,
    "asgd": {"lambd": NUMBER, "alpha": NUMBER, "t0": NUMBER, "maximize": FLAG},
    "lbfgs": {
        "max_iter": WHOLE,
        "max_eval": MAYBE_WHOLE,
        "tolerance_grad": NUMBER,
        "tolerance_change": NUMBER,
        "history_size": WHOLE,
        "line_search_fn": STRONG_WOLFE,
        "maximize": FLAG,
    },
    "muon": {
        "momentum": NUMBER,
        "nesterov": FLAG,
        "ns_coefficients": TRIPLE,
        "eps": NUMBER,
        "ns_steps": WHOLE,
        "adjust_lr_fn": ADJUSTMENT,
    },
    "nadam": {
        "betas": PAIR,
        "eps": NUMBER,
        "momentum_decay": NUMBER,
        "decoupled_weight_decay": FLAG,
        "maximize": FLAG,
    },
    "radam": {"betas": PAIR, "eps": NUMBER, "decoupled_weight_decay": FLAG, "maximize": FLAG},
    "rmsprop": {"alpha": NUMBER, "eps": NUMBER, "momentum": NUMBER, "centered": FLAG, "maximize": FLAG},
    "rprop": {"etas": PAIR, "step_sizes": PAIR, "maximize": FLAG},
    "sgd": {"dampening": NUMBER, "maximize": FLAG},
}
WITHOUT_DECAY = ("lbfgs", "rprop")
"""Optimizers of torch.optim that have no weight decay."""
REFUSED = {"sparseadam": "it takes sparse gradients only, which no network here has"}
DROPPED = ("lr", "params", "weight_decay", "foreach", "fused", "capturable", "differentiable")
"""Arguments that a sweep does not give inside `optimizer`."""
_NUMBERS = {PAIR: 2, TRIPLE: 3, MAYBE_PAIR: 2}
_TEXTS = {STRONG_WOLFE: ("strong_wolfe",), ADJUSTMENT: ("original", "match_rms_adamw")}


def mistakes(choice: Mapping[str, Any], weight_decay: float) -> Iterator[tuple[str, str]]:
    """What is wrong with a recipe's optimizer: (the recipe's key to blame, what was found and what is allowed)."""
    name = choice["name"]
    if ":" in name:
        yield from _own_mistakes(choice, weight_decay)
        return
    if name not in ARGUMENTS:
        allowed = f"{', '.join(ARGUMENTS)}, or module:name for your own"
        yield "optimizer", f"found {name!r}{_why_not(name)}; allowed: {allowed}"
        return
    for key, value in arguments(choice).items():
        words = ARGUMENTS[name].get(key)
        if words is None:
            allowed = ", ".join(ARGUMENTS[name])
            yield "optimizer", f"found the argument {key}{_where_instead(key)}; allowed for {name}: {allowed}"
        elif not _fits(value, words):
            yield "optimizer", f"found {key} {_shown(value)}; allowed for {name}: {words}"
    if name in WITHOUT_DECAY and weight_decay:
        yield "weight_decay", f"found {weight_decay} with {name}, which has no weight decay; allowed: 0"


def takes(made: Any, argument: str) -> bool | None:
    """Whether an optimizer of the user's own takes an argument; None where its signature does not say, as with
    `**kwargs`."""
    try:
        parameters = inspect.signature(made).parameters
    except (TypeError, ValueError):
        return None
    if argument in parameters:
        return True
    return None if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()) else False


def _own_mistakes(choice: Mapping[str, Any], weight_decay: float) -> Iterator[tuple[str, str]]:
    name = choice["name"]
    try:
        made = catalog.find("optimizers", name)
    except ValueError as error:
        yield "optimizer", str(error)
        return
    if not callable(made):
        yield "optimizer", f"found {name!r}, which cannot be called; allowed: a class such as those of torch.optim"
        return
    try:
        parameters = inspect.signature(made).parameters
    except (TypeError, ValueError):
        return
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    known = [p for p in list(parameters)[1:] if p not in DROPPED and p not in ("args", "kwargs")]
    for key in arguments(choice):
        if key in DROPPED or not (takes_any or key in known):
            allowed = ", ".join(known) or "no arguments"
            yield "optimizer", f"found the argument {key}{_where_instead(key)}; allowed for {name}: {allowed}"
    if weight_decay and takes(made, "weight_decay") is False:
        yield "weight_decay", f"found {weight_decay} with {name}, which takes no weight_decay; allowed: 0"
    if takes(made, "lr") is False:
        yield "optimizer", f"found {name!r}, which takes no lr; allowed: what takes the recipe's learning_rate as lr"


def _why_not(name: str) -> str:
    return f" ({REFUSED[name]})" if name in REFUSED else ""


def _where_instead(key: str) -> str:
    homes = {"lr": "learning_rate", "weight_decay": "weight_decay", "momentum": "momentum", "nesterov": "nesterov"}
    return f" (the recipe has it as recipe.{homes[key]})" if key in homes else ""


def _fits(value: Any, words: str) -> bool:
    if value is None:
        return "null" in words
    if words in _NUMBERS:
        maybe = "null" in words
        fits = isinstance(value, tuple) and len(value) == _NUMBERS[words]
        return fits and all(_is_number(x) or (maybe and x is None) for x in value)
    if words in _TEXTS:
        return value in _TEXTS[words]
    if words == FLAG:
        return isinstance(value, bool)
    return _is_number(value) and (words == NUMBER or isinstance(value, int))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return repr(list(value) if isinstance(value, tuple) else value)
