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
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from skipray.extension import catalog
from skipray.spec.fields import DatasetSpec, Recipe
from skipray.spec.samples import shape_and_outputs, task_of
from skipray.spec.shapes import TokenShape

if TYPE_CHECKING:
    from skipray.spec.trial import TrialSpec

Told = TypeVar("Told")


def _optimizer_of_ones_own(trial: "TrialSpec") -> bool:
    """Rates of an own optimizer's groups follow the schedule with their ratios, and it is told a weight decay of 0."""
    chosen = trial.recipe.optimizer
    return chosen is not None and ":" in chosen["name"]


def _was_measured_otherwise(trial: "TrialSpec") -> bool:
    """Nothing is dropped where a network is measured before training. What a family of one's own drops is not known
    here; its weights are also other layers' since, and those that its pass does not use are left out."""
    model = trial.model
    return bool(model.dropout or model.stochastic_depth) or ":" in model.architecture


def _is_of_ones_own(trial: "TrialSpec") -> bool:
    """Which network is concerned is not known here. 4: of the tensors that a block gives out those are measured that it
    hands on. 5: a block that is called again with what it gave is a chain of blocks. 6: so are blocks that take the one
    before as a later argument, and those with parametrised weights; measured are the chains that depth counts."""
    return ":" in trial.model.architecture


def _begins_with_tokens(trial: "TrialSpec") -> bool:
    """Gradients at the output of an embedding, and at all outputs before training, are measured."""
    found = _asked(trial.dataset, shape_and_outputs)
    return found is not None and isinstance(found[0], TokenShape)


def _counts_labels_by_position(trial: "TrialSpec") -> bool:
    """Pieces of a batch weigh as much as they have labels, and the warm-up of he2015 looks at the share of these."""
    recipe = trial.recipe
    warms = recipe.schedule == "he2015" and (recipe.warmup_epochs or 0) > 0
    counts = (recipe.gradient_accumulation or 1) > 1 or warms  # a table's trial may lack any field
    return counts and _is_labelled_by_position(trial.dataset)


def _decays_scales(trial: "TrialSpec") -> bool:
    """Scales and biases of several axes are no weights: weight decay on weights spares them, and Muon does."""
    recipe, model = trial.recipe, trial.model
    if ":" in model.architecture:
        return _tells_weights_apart(recipe)
    maps = model.kind == "cnn" and (model.architecture == "highway" or model.layer_scale is not None)
    return recipe.weight_decay_on == "weights" and maps


def _spares_positions(trial: "TrialSpec") -> bool:
    """Positions and tokens are no weights; own families have another version as it is."""
    return trial.model.architecture == "transformer" and _tells_weights_apart(trial.recipe)


def _tells_weights_apart(recipe: Recipe) -> bool:
    """Whether weights are decayed alone, or trained otherwise than the rest."""
    muon = recipe.optimizer is not None and recipe.optimizer["name"] == "muon"
    return recipe.weight_decay_on == "weights" or muon


def _has_a_constant_answer_of_its_own(trial: "TrialSpec") -> bool:
    """The best constant answer is that of the loss, and not the values' mean: outcomes are told from it."""
    loss = trial.recipe.loss
    return loss is not None and loss["name"] not in ("cross_entropy", "mse") and _task(trial.dataset) == "values"


def _has_no_plain_cross_entropy(trial: "TrialSpec") -> bool:
    """Of any loss the gradient at the scores is measured, which counts among those at the layers' outputs."""
    loss = trial.recipe.loss
    return (loss is not None and loss["name"] != "cross_entropy") or _task(trial.dataset) in ("values", "positions")


def _is_labelled_by_position(dataset: DatasetSpec) -> bool:
    return _task(dataset) == "positions"


def _task(dataset: DatasetSpec) -> str:
    return _asked(dataset, task_of) or ""


def _asked(dataset: DatasetSpec, what: Callable[[Any, DatasetSpec], Told]) -> Told | None:
    """None where the data set is a file of another machine's: what was run there keeps the version it says."""
    try:
        return what(catalog.find("datasets", dataset.name), dataset)
    except Exception:
        return None


FIRST_NUMERICS = 1
REVISIONS: tuple[tuple[int, Callable[["TrialSpec"], bool]], ...] = (
    (2, _optimizer_of_ones_own),
    (3, _was_measured_otherwise),
    (3, _counts_labels_by_position),
    (3, _decays_scales),
    (4, _has_a_constant_answer_of_its_own),
    (6, _is_of_ones_own),
    (6, _begins_with_tokens),
    (6, _spares_positions),
    (6, _has_no_plain_cross_entropy),
)
"""Version, and whether the numbers of a trial are other ones since; the CHANGELOG says which."""
NUMERICS_VERSION = max(version for version, _ in REVISIONS)
"""The latest of skipray's numerics."""


def numerics_version(trial: "TrialSpec") -> int:
    """The version of skipray's numerics at which the numbers of such a trial last changed."""
    return max((version for version, concerns in REVISIONS if concerns(trial)), default=FIRST_NUMERICS)


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
