"""A field that follows the depth: `learning_rate: {value: 0.1, rule: inverse_sqrt_depth, reference: 20}`.

A rule gives a factor on the value, which is 1 at the reference depth. What a trial trains with is the number that comes
out; the rule is kept beside it, so that rules can be compared as factors where they agree too.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from skipray.extension import catalog
from skipray.spec.fields import ModelSpec, Recipe
from skipray.spec.values import freeze

RULES: dict[str, Callable[[float], float]] = {
    "constant": lambda ratio: 1.0,
    "inverse_sqrt_depth": lambda ratio: ratio**-0.5,
    "inverse_depth": lambda ratio: 1 / ratio,
    "sqrt_depth": lambda ratio: ratio**0.5,
    "depth": lambda ratio: ratio,
}
"""Rule -> the factor at depth / reference."""
KEYS = {"value", "rule", "reference"}
FOLLOWING = {
    "recipe": (
        "learning_rate",
        "momentum",
        "weight_decay",
        "final_learning_rate",
        "warmup_epochs",
        "gradient_clip_norm",
        "epochs",
        "batch_size",
    ),
    "model": ("width", "residual_scale", "weight_gain", "bias_variance", "stochastic_depth", "dropout", "layer_scale"),
}
"""Fields that may follow the depth."""
WHOLE = ("epochs", "batch_size", "width")
"""Of these the ones that are rounded to a whole number, at least 1."""


def is_rule(value: Any) -> bool:
    return isinstance(value, Mapping) and "rule" in value


def resolved(section: str, data: Mapping[str, Any], depth: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """A section's values with its rules worked out at a depth, and the rules themselves under `rules`.

    Args:
        section: recipe or model.

    Returns:
        The values, and (field, what was found and what is allowed) of the rules that cannot be.
    """
    out, rules, wrong = dict(data), {}, []
    for key, value in data.items():
        if not is_rule(value):
            continue
        try:
            out[key] = _at(section, key, value, depth)
        except ValueError as error:
            wrong.append((key, str(error)))
            continue
        rules[key] = freeze(value)
    if rules:
        out["rules"] = rules
    return out, wrong


def own_rules(part: Recipe | ModelSpec) -> list[str]:
    """Every `module:name` among the rules of a recipe or a model."""
    return [rule["rule"] for rule in part.rules.values() if ":" in rule["rule"]]


def _at(section: str, key: str, value: Mapping[str, Any], depth: Any) -> float:
    if key not in FOLLOWING[section]:
        raise ValueError(f"found a rule in depth; allowed for {', '.join(FOLLOWING[section])}")
    if set(value) != KEYS:
        raise ValueError(f"found the keys {', '.join(value)}; allowed: value, rule and reference, each once")
    if not _is_number(value["value"]):
        raise ValueError(f"found value {value['value']!r}; allowed: a number, the field's at the reference depth")
    reference = value["reference"]
    if isinstance(reference, bool) or not isinstance(reference, int) or reference < 1:
        raise ValueError(f"found reference {reference!r}; allowed: a depth")
    if not isinstance(depth, int) or depth < 1:
        raise ValueError("found no depth to follow; allowed: a rule where the depth is known")
    found = value["value"] * _factor(str(value["rule"]), depth, reference)
    return max(1, math.floor(found + 0.5)) if key in WHOLE else float(found)


def _factor(rule: str, depth: int, reference: int) -> float:
    if ":" not in rule:
        if rule not in RULES:
            raise ValueError(f"found the rule {rule!r}; allowed: {', '.join(RULES)}, or module:name for your own")
        return RULES[rule](depth / reference)
    function = catalog.find("rules", rule)
    with catalog.at_work(rule):
        factor = function(depth, reference)
    if not _is_number(factor) or not math.isfinite(factor) or factor < 0:
        raise ValueError(f"{rule}: found {factor!r} at depth {depth}; allowed: a number at least 0")
    return float(factor)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
