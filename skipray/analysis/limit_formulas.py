"""The formulas of `skipray.theory` that predict a depth, of a network's fields; each is computed once for all cells."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from skipray import activations, initialisations, theory
from skipray.extension import apart
from skipray.spec import ModelSpec

GROWTH, FAR_GROWTH = 1e3, 1e6
"""Growth of the gradient's norm towards the input that counts as a limit, and one that counts as far beyond it."""
TOLERANCE = 1e-6
"""How near to 1 the growth of gradients is taken for that of the critical point."""
MOST_BLOCKS = 256
"""Post-activation blocks that are followed; what has not grown by then grows as a power of depth."""


class Unpredictable(Exception):
    """The activation cannot be integrated; the reason."""


def compute(formula: Callable[[ModelSpec, float], Any], model: ModelSpec, number: float) -> Any:
    """A formula of a model and a number; a user's own activation runs in a process of its own.

    Raises:
        Unpredictable: it fails.
    """
    # What a formula reads, and no more, so that it is computed once for all depths and learning rates.
    follows = activations.name_of(model.activation) == "tailored_leaky_relu" or (
        model.residual_scale == "inverse_sqrt_depth"
    )
    read = ("depth",) if follows else ()
    kept = {"architecture", "activation", "bias_variance", "residual_scale", "layer_scale", "normalization", "block"}
    kept |= {"initialisation", "kind", *read}
    bare = model.model_copy(update={key: None for key in type(model).model_fields if key not in kept})
    try:
        return _computed(formula, bare, number)
    except (ValueError, ImportError) as error:  # apart.OwnCodeFailed is one
        raise Unpredictable(f"the activation cannot be integrated: {error}") from None


@lru_cache(maxsize=4096)
def _computed(formula: Callable[[ModelSpec, float], Any], model: ModelSpec, number: float) -> Any:
    if ":" in activations.name_of(model.activation):
        return apart.call(formula, model, number)
    return formula(model, number)


def gain_of(model: ModelSpec) -> float | None:
    """sigma_w^2; None too for a scheme that this skipray does not have, of a sweep that another one has stored."""
    try:
        return initialisations.sigma_w_squared(model)
    except ValueError:
        return None


def block_layers(model: ModelSpec) -> int:
    """Weight layers of a residual block's branch."""
    return 3 if model.architecture == "resnext" or model.block == "bottleneck" else 2


def branch_scale(model: ModelSpec) -> float:
    """Factor on a branch at initialisation, where it does not follow the depth."""
    if model.layer_scale is not None:
        return float(model.layer_scale)
    begins_at_0 = model.residual_scale == "learned" or model.architecture == "fixup"
    if begins_at_0 or model.initialisation in ("zero_gamma", "fixup"):
        return 0.0
    if model.residual_scale == "inverse_sqrt_depth":
        # As deep as is looked at: growth that is bounded there is bounded.
        return 1 / math.sqrt(MOST_BLOCKS)
    return float(model.residual_scale) if isinstance(model.residual_scale, int | float) else 1.0


def mean_field(model: ModelSpec, gain: float) -> theory.MeanField:
    return theory.mean_field(_pointwise(model), gain, model.bias_variance or 0.0)


def layer_norm_field(model: ModelSpec, _: float) -> theory.MeanField:
    return theory.layer_norm_field(_pointwise(model))


def batch_norm_depths(model: ModelSpec, batch: float) -> tuple[float, float, float]:
    """Weight layers at which gradients have grown by 1e3 and 1e6, and `theory.batch_norm_symmetry`."""
    phi = _pointwise(model)
    symmetry = theory.batch_norm_symmetry(phi)
    growth = theory.batch_norm_squared_gradient_growth(int(batch), phi)
    if growth <= 1 + TOLERANCE:
        return math.inf, math.inf, symmetry
    near, far = (theory.batch_norm_explosion_depth(factor, int(batch), phi) for factor in (GROWTH, FAR_GROWTH))
    return near, far, symmetry


def pre_activation_depths(model: ModelSpec, gain: float) -> tuple[float, float]:
    """The same of unnormalised pre-activation blocks."""
    layers, phi = block_layers(model), _pointwise(model)
    near, far = (
        layers
        * theory.residual_explosion_blocks(
            growth, phi, gain, model.bias_variance or 0.0, residual_scale=branch_scale(model), layers=layers
        )
        + 2
        for growth in (GROWTH, FAR_GROWTH)
    )
    return near, far


@dataclass(frozen=True)
class Passed:
    """Where gradients of post-activation blocks pass 1e3 and 1e6; inf where `MOST_BLOCKS` do not suffice."""

    near: float
    far: float
    shrink: bool
    """They shrink towards the input."""
    as_power: bool
    """They change as a power of depth: the second half of the blocks adds less than half of what the first one does."""


def post_activation_depths(model: ModelSpec, number: float) -> Passed:
    """Where gradients of ResNet's and ResNeXt's blocks pass 1e3 and 1e6.

    Args:
        number: sigma_w^2, or with batch normalization the samples that are normalised together.
    """
    layers, norm = block_layers(model), model.normalization
    logs = theory.post_activation_growth(
        MOST_BLOCKS,
        _pointwise(model),
        number if norm == "none" else 1.0,
        (model.bias_variance or 0.0) if norm == "none" else 0.0,
        residual_scale=branch_scale(model),
        layers=layers,
        normalization=norm,
        batch=min(int(number), theory.LARGEST_BATCH) if norm == "batch" else theory.LARGEST_BATCH,
        stop=math.log(FAR_GROWTH),
    )
    size = abs(logs)
    found = []
    for factor in (GROWTH, FAR_GROWTH):
        beyond = (size >= math.log(factor)).nonzero()[0]
        if not len(beyond):
            found.append(math.inf)
            continue
        at = int(beyond[0])
        part = (math.log(factor) - size[at - 1]) / (size[at] - size[at - 1])
        found.append(2 + layers * (at - 1 + float(part)))
    half = size[len(size) // 2]
    return Passed(found[0], found[1], bool(logs[-1] < 0), bool(size[-1] - half < half / 2))


def _pointwise(model: ModelSpec) -> theory.Pointwise:
    return activations.pointwise(model.activation, (model.depth or 2) - 1)
