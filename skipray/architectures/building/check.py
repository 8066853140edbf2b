"""Checks that several families share. Each raises Refused."""

from skipray import activations, initialisations
from skipray.architectures import kinds
from skipray.architectures.building.depth import LinearRule, tabled
from skipray.initialisations import Refused
from skipray.spec import ModelSpec
from skipray.spec.fields import OPTIONAL_FIELDS

IMAGENET_BLOCKS = {
    "basic": {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)},
    "bottleneck": {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)},
}
"""Blocks in each stage: He et al. 2015, table 1."""


OF_BRANCHES = ("stochastic_depth", "dropout", "layer_scale")
"""Optional fields of what has branches and skips."""


def require(model: ModelSpec, keys: frozenset[str]) -> None:
    """Every field that a family reads has to be written out, but the optional ones; its kind is one that it has."""
    allowed = kinds(model.architecture)
    if model.kind not in allowed:
        raise Refused(f"found {model.kind}; allowed for {model.architecture}: {', '.join(allowed)}", "kind")
    for key in sorted(keys - set(OPTIONAL_FIELDS)):
        if getattr(model, key) is None:
            raise Refused(f"found nothing; {model.architecture} ({model.kind}) needs it", key)
    for mistake in activations.mistakes(model.activation):
        raise Refused(mistake, "activation")
    if activations.name_of(model.activation) == "tailored_leaky_relu":
        _tailored(model)
    _gains(model)
    if model.layer_scale is not None and model.residual_scale != 1:
        raise Refused(
            f"found {model.layer_scale} beside the residual_scale {model.residual_scale}, another factor on the same "
            "branch; allowed: residual_scale 1",
            "layer_scale",
        )
    if model.widths is not None and model.widths[0] != model.width:
        raise Refused(
            f"found the first width {model.widths[0]} beside the width {model.width}; allowed: the same", "widths"
        )


def _tailored(model: ModelSpec) -> None:
    """The slope follows from maps that only these networks have."""
    from skipray.activations.tailored_leaky_relu import FAMILIES, INITIALISATIONS

    if model.architecture not in FAMILIES:
        raise Refused(
            f"found tailored_leaky_relu with {model.architecture}, which has skips; allowed: {', '.join(FAMILIES)}",
            "activation",
        )
    if model.normalization != "none":
        raise Refused(f"found {model.normalization} with tailored_leaky_relu; allowed: none", "normalization")
    if model.initialisation not in INITIALISATIONS:
        allowed = ", ".join(INITIALISATIONS)
        raise Refused(f"found {model.initialisation} with tailored_leaky_relu; allowed: {allowed}", "initialisation")
    if model.bias_variance or model.weight_gain not in (None, 1):
        key = "bias_variance" if model.bias_variance else "weight_gain"
        raise Refused(f"found {getattr(model, key)} with tailored_leaky_relu, which sets it; allowed: left out", key)


def _gains(model: ModelSpec) -> None:
    """A gain and a bias variance belong to schemes and networks that have room for them."""
    if model.weight_gain is not None and not initialisations.takes_gain(model.initialisation):
        raise Refused(
            f"found {model.weight_gain} with {model.initialisation}, whose gain is its own; allowed: "
            f"{', '.join(initialisations.with_gain())}, or module:name",
            "weight_gain",
        )
    if model.bias_variance and model.normalization != "none":
        raise Refused(
            f"found {model.bias_variance} with {model.normalization} normalization, before which layers have no "
            "biases; allowed: normalization none",
            "bias_variance",
        )
    if model.bias_variance and model.initialisation == "as_built":
        raise Refused("found it with as_built, which sets nothing; allowed: left out", "bias_variance")


def without_normalization(model: ModelSpec) -> None:
    if model.normalization != "none":
        raise Refused(f"found {model.normalization}; allowed for {model.architecture}: none", "normalization")


def stage_blocks(model: ModelSpec, block: str) -> tuple[int, ...]:
    """How many blocks each stage of a convolutional network has at the model's depth.

    `cifar`: 6n + 2 for basic, 9n + 2 for bottleneck blocks (He et al. 2015, section 4.2; 2016, section 4).
    """
    who = f"{model.architecture} ({model.kind}, {model.layout}, {block} blocks)"
    if model.layout == "imagenet":
        return tabled(model.depth, IMAGENET_BLOCKS[block], who)
    return (LinearRule(9 if block == "bottleneck" else 6, 2).count(model.depth, who),) * 3


def mlp_blocks(model: ModelSpec, layers: int) -> int:
    """Number of blocks of a fully connected network, `layers` weight layers each."""
    return LinearRule(layers, 2).count(model.depth, f"{model.architecture} (mlp)")
