"""The trainable depth that theory predicts for a network before it has been trained, one for each group of a sweep.

`skipray.theory` has the formulas; here is which of them holds for which network. A formula sees the network at
initialisation alone: neither the learning rate nor the length of the training is in it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

from skipray import activations, initialisations, theory
from skipray.architectures import fixup, skipinit
from skipray.extension import apart
from skipray.spec import Group, ModelSpec, Recipe, SweepSpec
from skipray.theory import MeanField

T = TypeVar("T")

GROWTH, FAR_GROWTH = 1e3, 1e6
"""Growth of the gradient's norm towards the input that counts as a limit, and one that counts as far beyond it."""
TOLERANCE = 1e-6
"""How near to 1 the growth of gradients is taken for that of the critical point."""
BLOCK_LAYERS = 2
"""Weight layers of a fully connected pre-activation block."""
FROM_IDENTITY = tuple(module.__name__.rpartition(".")[2] for module in (skipinit, fixup))
"""Families whose branches begin at 0."""


@dataclass(frozen=True)
class PredictedLimit:
    """What theory says of how deep networks of a group train."""

    depth: float | None
    """Weight layers; inf: theory sees no limit; None: nothing is predicted."""
    far_depth: float | None = None
    """Where a limit is one of growing gradients: the depth at which they have grown by 1e6 instead of 1e3."""
    rule: str = ""
    """What the depth is, such as `6 xi_c`."""
    source: str = ""
    premise: str = ""
    """Where the rule holds; of a group without a prediction, why there is none."""

    @property
    def finite(self) -> bool:
        return self.depth is not None and math.isfinite(self.depth)

    @property
    def verdict(self) -> str:
        """`finite`, `unlimited` or `none`."""
        return "none" if self.depth is None else "finite" if self.finite else "unlimited"

    @property
    def words(self) -> str:
        """`22`, `24 to 48`, `no finite limit`, `nothing predicted`."""
        if self.depth is None:
            return "nothing predicted"
        if not self.finite:
            return "no finite limit"
        far = "" if self.far_depth is None or not math.isfinite(self.far_depth) else f" to {self.far_depth:,.0f}"
        return f"{self.depth:,.0f}{far}"

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "verdict": self.verdict,
            "depth": self.depth if self.finite else None,
            "far_depth": self.far_depth,
            "rule": self.rule,
            "source": self.source,
            "premise": self.premise,
        }


def nothing(why: str) -> PredictedLimit:
    return PredictedLimit(None, premise=why)


def predicted_limit(model: ModelSpec, recipe: Recipe) -> PredictedLimit:
    """The trainable depth that theory predicts of networks like this one, whatever their depth."""
    if ":" in model.architecture:
        return nothing("a family of your own: its layers and sigma_w^2 are not known")
    if model.architecture == "plainnet":
        return _plain(model, recipe)
    if model.architecture == "preresnet" or model.architecture in FROM_IDENTITY:
        return _residual(model)
    return nothing("no closed form for this family: those of skips are of pre-activation blocks")


def of_groups(sweep: SweepSpec) -> dict[Group, PredictedLimit]:
    """The prediction of each group, in the sweep's order."""
    found: dict[Group, list[PredictedLimit]] = {}
    for cell in sweep.cells:
        found.setdefault(cell.cell.group, []).append(predicted_limit(cell.model, cell.recipe))
    return {group: _one(limits) for group, limits in found.items()}


def _one(limits: list[PredictedLimit]) -> PredictedLimit:
    """Fields that follow the depth may give each depth another prediction, and then the group has none."""
    distinct = dict.fromkeys(limits)
    if len(distinct) == 1:
        return limits[0]
    return nothing("what the prediction follows from differs from depth to depth")


def records(found: Mapping[Group, PredictedLimit], sweep: SweepSpec) -> list[dict[str, Any]]:
    """A row per group for JSON, with the sweep's factors by their bare names."""
    names = sweep.factor_names
    return [{**group.row(names), **limit.record()} for group, limit in found.items()]


def _plain(model: ModelSpec, recipe: Recipe) -> PredictedLimit:
    if model.dropout:
        return nothing("dropout moves the fixed point (Schoenholz et al. 2017, section 5), by how much is not computed")
    if model.normalization == "none":
        return _correlation(model)
    if model.normalization == "layer":
        return nothing("no closed form for layer normalization")
    if model.kind != "mlp":
        return nothing("no closed form for batch normalization over positions as well as samples")
    return _batch_norm(model, max(1, recipe.batch_size // recipe.gradient_accumulation))


def _gain(model: ModelSpec) -> float | None:
    """sigma_w^2; None too for a scheme that this skipray does not have, of a sweep that another one has stored."""
    try:
        return initialisations.sigma_w_squared(model)
    except ValueError:
        return None


def _correlation(model: ModelSpec) -> PredictedLimit:
    gain = _gain(model)
    if gain is None:
        return nothing(f"sigma_w^2 of {model.initialisation} is not known")
    if model.initialisation == "xavier" and model.widths:
        return nothing("between unequal widths the sigma_w^2 of xavier is another at each layer")
    field = _of_activation(_mean_field, model, gain)
    if isinstance(field, PredictedLimit):
        return field
    if not 0 < field.q_star < math.inf and abs(field.chi_1 - 1) > TOLERANCE:
        way = "dies out" if field.q_star == 0 else "grows without end"
        return nothing(f"the signal {way}, by a factor of {field.chi_1:.3g} in its square per layer: no xi_c")
    premise = "width far above depth, best learning rate"
    source = "Schoenholz et al. 2017"
    if model.kind == "cnn":
        source = "Xiao et al. 2018"
        premise += "; convolutions with periodic borders and without stages, which this network only resembles"
    if math.isinf(field.xi_c):
        premise += "; at the critical point inputs become alike only as a power of depth"
        return PredictedLimit(math.inf, None, "6 xi_c, critical", source, premise)
    return PredictedLimit(field.trainable_depth, None, "6 xi_c", source, premise)


def _batch_norm(model: ModelSpec, batch: int) -> PredictedLimit:
    if batch < theory.SMALLEST_BATCH:
        return nothing(f"batches of {batch}, below the formula's {theory.SMALLEST_BATCH} samples")
    depths = _of_activation(_explosion, model, float(batch))
    if isinstance(depths, PredictedLimit):
        return depths
    rule = f"gradient x 1e3 to 1e6, batch {batch}"
    return PredictedLimit(
        *depths, rule, "Yang et al. 2019", "gradients at initialisation, width far above the batch, full batches"
    )


def _residual(model: ModelSpec) -> PredictedLimit:
    """Of pre-activation blocks: those that begin as the identity, those that are normalised, and bare ones."""
    no_limit = PredictedLimit(math.inf, rule="growth is bounded")
    small = model.layer_scale is not None and model.layer_scale < 1
    if model.architecture in FROM_IDENTITY or model.residual_scale == "learned":
        premise = "branches begin at 0: at initialisation the network is the identity"
        return replace(no_limit, source="De & Smith 2020; Zhang et al. 2019", premise=premise)
    if small or model.initialisation in ("zero_gamma", "fixup"):
        return nothing("branches begin small; their growth is not computed")
    if model.normalization == "batch":
        premise = "normalised branches count for less the deeper: gradients grow as a power of depth, not exponentially"
        return replace(no_limit, rule="no exponential growth", source="De & Smith 2020", premise=premise)
    if model.normalization == "layer":
        return nothing("no closed form for layer normalization")
    if model.residual_scale == "inverse_sqrt_depth":
        premise = "branches of scale 1/sqrt(blocks): variances and gradients grow by a bounded factor"
        return replace(no_limit, source="Yang & Schoenholz 2017", premise=premise)
    if model.kind != "mlp":
        return nothing("no closed form for unnormalized convolutional blocks")
    gain = _gain(model)
    if gain is None:
        return nothing(f"sigma_w^2 of {model.initialisation} is not known")
    if model.widths:
        return nothing("no closed form for projections between unequal widths")
    depths = _of_activation(_residual_explosion, model, gain)
    if isinstance(depths, PredictedLimit):
        return depths
    premise = "gradients at initialisation, width far above depth; the learning rate may make up for their growth"
    if math.isinf(depths[0]):
        return replace(no_limit, rule="gradient x 1e3", source="Yang & Schoenholz 2017", premise=premise)
    return PredictedLimit(*depths, "gradient x 1e3 to 1e6", "Yang & Schoenholz 2017", premise)


def _of_activation(formula: Callable[[ModelSpec, float], T], model: ModelSpec, number: float) -> T | PredictedLimit:
    """A formula of an activation and a number; a user's own activation runs in a process of its own, and where it fails
    nothing is predicted."""
    # What a formula reads, and no more, so that it is computed once for all depths and learning rates.
    read = ("depth",) if activations.name_of(model.activation) == "tailored_leaky_relu" else ()
    kept = {"activation", "bias_variance", "residual_scale", *read}
    bare = model.model_copy(update={key: None for key in type(model).model_fields if key not in kept})
    try:
        return _computed(formula, bare, number)
    except (ValueError, ImportError) as error:  # apart.OwnCodeFailed is one
        return nothing(f"the activation cannot be integrated: {error}")


@lru_cache(maxsize=4096)
def _computed(formula: Callable[[ModelSpec, float], Any], model: ModelSpec, number: float) -> Any:
    if ":" in activations.name_of(model.activation):
        return apart.call(formula, model, number)
    return formula(model, number)


def _pointwise(model: ModelSpec) -> theory.Pointwise:
    return activations.pointwise(model.activation, (model.depth or 2) - 1)


def _mean_field(model: ModelSpec, gain: float) -> MeanField:
    return theory.mean_field(_pointwise(model), gain, model.bias_variance or 0.0)


def _explosion(model: ModelSpec, batch: float) -> tuple[float, float]:
    phi = _pointwise(model)
    growth = theory.batch_norm_squared_gradient_growth(int(batch), phi)
    if growth <= 1 + TOLERANCE:
        return math.inf, math.inf
    near, far = (theory.batch_norm_explosion_depth(factor, int(batch), phi) for factor in (GROWTH, FAR_GROWTH))
    return near, far


def _residual_explosion(model: ModelSpec, gain: float) -> tuple[float, float]:
    phi, scale = _pointwise(model), model.residual_scale
    factor = float(scale) if isinstance(scale, int | float) else 1.0
    near, far = (
        BLOCK_LAYERS
        * theory.residual_explosion_blocks(
            growth, phi, gain, model.bias_variance or 0.0, residual_scale=factor, layers=BLOCK_LAYERS
        )
        + 2
        for growth in (GROWTH, FAR_GROWTH)
    )
    return near, far
