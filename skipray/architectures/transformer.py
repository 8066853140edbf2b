"""Transformer encoder on patches of images (Dosovitskiy et al. 2021) and on token numbers (Vaswani et al. 2017).

Depth counts blocks: each is attention and, unless it is attention only, an MLP. Options, each may be a factor:

    norm            pre (Xiong et al. 2020), post (Vaswani et al. 2017), sandwich (Ding et al. 2021: before and behind
                    each branch), none; layer normalization over the width of each token
    attention_skip  whether attention's input is added to what it gives out
    mlp             false: attention only (Dong et al. 2021)
    mlp_skip        the same of the MLP
    mlp_ratio       units of the MLP's inner layer for each of the width
    heads           of attention; they share the width
    deepnorm        Wang et al. 2022: skips times (2 N)^(1/4), initial weights of values, outputs and MLPs times
                    (8 N)^(-1/4), N the depth; with norm post
    layer_scale     none, or the initial value of learned factors on each branch, one per channel (Touvron et al. 2021)
    positions       learned, sinusoidal (Vaswani et al. 2017, section 3.5), none
    patch           side of a patch in pixels; of images alone

The scores are of the mean over the tokens, or of each token where each position has a label. Where sequences have
different lengths (`TokenShape(..., padding=NUMBER)`), no token looks at padding, the mean is over the others, and the
residual stream is 0 there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from skipray import activations
from skipray.architectures import Sizes
from skipray.architectures.building import encoder_plan as plans
from skipray.architectures.building.encoder_plan import Encoder
from skipray.initialisations import Refused
from skipray.spec import ModelSpec, TokenShape

if TYPE_CHECKING:
    from torch import nn

DISPLAY_NAME = "Transformer"
DEPTH = "blocks"
"""What its depth counts."""
UNREAD = frozenset({"kind", "normalization"})
"""Of the fields that skipray's families share: its layers have one kind, its normalization is an option."""
OPTIONS: Mapping[str, Any] = {
    "norm": "pre",
    "attention_skip": True,
    "mlp": True,
    "mlp_skip": True,
    "mlp_ratio": 4,
    "heads": 4,
    "deepnorm": False,
    "layer_scale": "none",
    "positions": "learned",
    "patch": 2,
}
"""Option -> what it is where a sweep does not say."""
CHOICES = {"norm": ("pre", "post", "sandwich", "none"), "positions": ("learned", "sinusoidal", "none")}
SCHEMES = ("as_built", "he_normal", "lecun_normal", "orthogonal", "xavier")


def fields(kind: str | None) -> frozenset[str]:
    return frozenset()


def check(model: ModelSpec, input_shape: tuple[int, ...], classes: int) -> None:
    plan(model, input_shape, classes)


def build(model: ModelSpec, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    from skipray.architectures.building.encoder import EncoderNetwork

    return EncoderNetwork(plan(model, input_shape, classes))


def sizes(model: ModelSpec, input_shape: tuple[int, ...], classes: int) -> Sizes:
    return plans.sizes(plan(model, input_shape, classes))


def plan(model: ModelSpec, input_shape: tuple[int, ...], classes: int) -> Encoder:
    """What is built.

    Raises:
        Refused: an option, or a combination of them, that there is not.
    """
    chosen = _options(model)
    _check_model(model)
    if model.width % chosen["heads"]:
        raise Refused(f"found {chosen['heads']} heads; allowed: divisors of the width {model.width}", "options.heads")
    scale = chosen["layer_scale"]
    tokens = input_shape if isinstance(input_shape, TokenShape) else None
    if tokens is None:
        _check_patches(chosen, input_shape)
    patch = 0 if tokens else chosen["patch"]
    return Encoder(
        blocks=model.depth,
        width=model.width,
        heads=chosen["heads"],
        hidden=chosen["mlp_ratio"] * model.width if chosen["mlp"] else 0,
        norm=chosen["norm"],
        attention_skip=chosen["attention_skip"],
        mlp_skip=chosen["mlp_skip"],
        deepnorm=chosen["deepnorm"],
        layer_scale=None if scale == "none" else float(scale),
        positions=chosen["positions"],
        activation=model.activation,
        tokens=tokens[0] if tokens else plans.token_count(input_shape, patch),
        vocabulary=tokens.vocabulary if tokens else None,
        patch=patch,
        channels=0 if tokens else input_shape[0],
        classes=classes,
        by_position=tokens is not None and tokens.by_position,
        padding=tokens.padding if tokens is not None else None,
    )


def _options(model: ModelSpec) -> dict[str, Any]:
    """The model's options over their defaults, each of its type."""
    for key, value in model.options.items():
        if key not in OPTIONS:
            raise Refused(f"found the option {key}; allowed for transformer: {', '.join(OPTIONS)}", "options")
        wrong = _wrong(key, value)
        if wrong:
            raise Refused(f"found {key} {value!r}; allowed: {wrong}", f"options.{key}")
    chosen = {**OPTIONS, **model.options}
    if not chosen["mlp"] and not chosen["mlp_skip"]:
        raise Refused("found mlp_skip false without an MLP; allowed: left out", "options.mlp_skip")
    if chosen["deepnorm"] and not (chosen["norm"] == "post" and chosen["attention_skip"] and chosen["mlp_skip"]):
        raise Refused("found deepnorm without norm post and all skips; allowed: deepnorm with them", "options.deepnorm")
    return chosen


def _wrong(key: str, value: Any) -> str:
    """What is allowed, where the value is not."""
    if key in CHOICES:
        return "" if value in CHOICES[key] else ", ".join(CHOICES[key])
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key == "layer_scale":
        return "" if value == "none" or (number and value > 0) else "none, or a number above 0"
    if isinstance(OPTIONS[key], bool):
        return "" if isinstance(value, bool) else "true, false"
    return "" if number and isinstance(value, int) and value >= 1 else "a whole number from 1"


def _check_model(model: ModelSpec) -> None:
    for mistake in activations.mistakes(model.activation):
        raise Refused(mistake, "activation")
    if activations.name_of(model.activation) == "tailored_leaky_relu":
        raise Refused("found tailored_leaky_relu with transformer, which has skips; allowed: another", "activation")
    scheme = model.initialisation
    if scheme not in SCHEMES and ":" not in scheme:
        allowed = f"{', '.join(SCHEMES)}, or module:name"
        raise Refused(f"found {scheme}; allowed for transformer: {allowed}", "initialisation")
    if model.weight_gain is not None and scheme not in ("lecun_normal", "orthogonal") and ":" not in scheme:
        raise Refused(
            f"found {model.weight_gain} with {scheme}, whose gain is its own; allowed: lecun_normal, orthogonal, or "
            "module:name",
            "weight_gain",
        )
    if model.bias_variance and scheme == "as_built":
        raise Refused("found it with as_built, which sets nothing; allowed: left out", "bias_variance")


def _check_patches(chosen: Mapping[str, Any], input_shape: tuple[int, ...]) -> None:
    if len(input_shape) != 3:
        allowed = "images (channels, height, width), or token numbers"
        raise Refused(f"found data of shape {input_shape!r}; allowed for transformer: {allowed}", "architecture")
    height, width = input_shape[1:]
    if height % chosen["patch"] or width % chosen["patch"]:
        raise Refused(
            f"found patches of {chosen['patch']} pixels in images of {height} by {width}; allowed: divisors of both",
            "options.patch",
        )
