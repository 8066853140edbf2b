"""What a trial is known by: the fields that change its numbers, in a form that later fields leave as it was.

A `trial_id` is a hash, so whatever enters it must not move when skipray learns something new. The fields that existed
when NUMERICS_VERSION became 1 are hashed with their values, always. A field that came later is hashed only where its
value differs from its default, which by then is what every earlier trial has had: an optional field that is added, and
left alone by a sweep, leaves that sweep's ids as they were. The default of such a field may never change while the
version stays.

Where skipray itself gives other numbers than before for the same specification, the version of the trials that this
concerns is raised, and of no others: results that nothing has changed are not hidden.
"""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from skipray.spec.fields import ModelSpec, Recipe

FIRST_NUMERICS = 1
REVISIONS: tuple[tuple[int, Callable[[Recipe, ModelSpec], bool]], ...] = (
    # Rates of an own optimizer's groups follow the schedule with their ratios, and it is told a weight decay of 0.
    (2, lambda recipe, model: recipe.optimizer is not None and ":" in recipe.optimizer["name"]),
    # Nothing is dropped where a network is measured before training. What a family of one's own drops is not known
    # here; its weights are also other layers' since, and those that its pass does not use are left out.
    (3, lambda recipe, model: bool(model.dropout or model.stochastic_depth) or ":" in model.architecture),
)
"""Version, and whether the numbers of a trial with such a recipe and network are other ones since; the CHANGELOG says
which."""
NUMERICS_VERSION = max(version for version, _ in REVISIONS)
"""The latest of skipray's numerics."""


def numerics_version(recipe: Recipe, model: ModelSpec) -> int:
    """The version of skipray's numerics at which the numbers of trials with such a recipe and network last changed."""
    return max((version for version, concerns in REVISIONS if concerns(recipe, model)), default=FIRST_NUMERICS)


FIRST_FIELDS: dict[str, frozenset[str]] = {
    "DatasetSpec": frozenset(
        {"name", "fingerprint", "validation_fraction", "train_samples", "test_samples", "options"}
    ),
    "ModelSpec": frozenset(
        {"architecture", "depth", "kind", "width", "normalization", "initialisation", "activation", "residual_scale"}
        | {"block", "shortcut", "cardinality", "group_width", "growth_rate", "layout"}
    ),
    "Recipe": frozenset(
        {"epochs", "batch_size", "learning_rate", "momentum", "nesterov", "weight_decay", "schedule", "milestones"}
        | {"gamma", "final_learning_rate", "warmup_epochs", "augmentation", "precision", "gradient_clip_norm"}
    ),
}
"""Part of the specification -> the fields of version 1. Nothing is ever added here."""


def hashed_fields(part: BaseModel) -> dict[str, Any]:
    """The fields of a part of a trial that enter its id, as plain values."""
    first = next(FIRST_FIELDS[kind.__name__] for kind in type(part).__mro__ if kind.__name__ in FIRST_FIELDS)
    return {
        name: value
        for name, value in part.model_dump().items()
        if name in first or getattr(part, name) != type(part).model_fields[name].get_default(call_default_factory=True)
    }
