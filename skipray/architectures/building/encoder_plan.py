"""A transformer encoder as plain data, and its sizes in closed form. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from skipray import activations
from skipray.activations import Activation
from skipray.architectures import Sizes

Norm = Literal["pre", "post", "sandwich", "none"]
BYTES = 4


@dataclass(frozen=True)
class Encoder:
    """Stem, equal blocks of attention and MLP, classifier. Axes: N samples, T tokens, D width."""

    blocks: int
    width: int
    """D."""
    heads: int
    hidden: int
    """Units between the two layers of the MLP; 0 where the blocks are attention only."""
    norm: Norm
    attention_skip: bool
    mlp_skip: bool
    deepnorm: bool
    layer_scale: float | None
    """Initial value of the learned factors on each branch, one for each channel; None without them."""
    positions: Literal["learned", "sinusoidal", "none"]
    activation: Activation
    tokens: int
    """T."""
    vocabulary: int | None
    """Token numbers that there are; None where the tokens are patches."""
    patch: int
    """Side of a patch in pixels; 0 for token numbers."""
    channels: int
    classes: int
    by_position: bool
    """Whether each token has scores of its own; else their mean has."""
    padding: int | None = None
    """The token number at positions behind a sequence's end; None where there are none."""

    @property
    def alpha(self) -> float:
        """DeepNorm's factor on the skips, (2 N)^(1/4) of an encoder of N blocks (Wang et al. 2022, table 1)."""
        return (2 * self.blocks) ** 0.25 if self.deepnorm else 1.0

    @property
    def beta(self) -> float:
        """DeepNorm's factor on the initial weights of values, outputs and MLPs, (8 N)^(-1/4)."""
        return (8 * self.blocks) ** -0.25 if self.deepnorm else 1.0

    @property
    def patch_values(self) -> int:
        return self.patch**2 * self.channels

    @property
    def branches(self) -> int:
        """Of a block."""
        return 2 if self.hidden else 1

    @property
    def norms(self) -> int:
        """Layer normalizations of one branch."""
        return {"pre": 1, "post": 1, "sandwich": 2, "none": 0}[self.norm]

    @property
    def final_norm(self) -> bool:
        """Whether the residual stream, which no block has normalized, is normalized before the classifier."""
        return self.norm in ("pre", "sandwich")


def sizes(plan: Encoder) -> Sizes:
    """Parameters, FLOPs and kept activations."""
    return Sizes(_parameters(plan), _flops(plan), BYTES * _kept(plan) + _mask_bytes(plan))


def _parameters(plan: Encoder) -> int:
    d, h = plan.width, plan.hidden
    stem = plan.vocabulary * d if plan.vocabulary else (plan.patch_values + 1) * d
    stem += plan.tokens * d if plan.positions == "learned" else 0
    attention = 4 * d * (d + 1)
    mlp = 2 * d * h + h + d if h else 0
    around = plan.branches * (2 * d * plan.norms + (d if plan.layer_scale is not None else 0))
    head = 2 * d * plan.final_norm + (d + 1) * plan.classes
    return stem + plan.blocks * (attention + mlp + around) + head


def _flops(plan: Encoder) -> int:
    """One sample forward, matrix products with a multiply-add as 2."""
    t, d, h = plan.tokens, plan.width, plan.hidden
    stem = 0 if plan.vocabulary else 2 * t * plan.patch_values * d
    attention = 8 * t * d * d + 4 * t * t * d
    mlp = 4 * t * d * h
    return stem + plan.blocks * (attention + mlp) + 2 * d * plan.classes * (t if plan.by_position else 1)


def _kept(plan: Encoder) -> int:
    """Values that training keeps of one sample: what autograd saves, each tensor once.

    Of a branch: each normalization's input with a mean and a deviation a token, the input of its first layer,
    LayerScale's input. Of attention: queries, keys, values, the attention and what it has gathered. Of an MLP: what its
    second layer reads, and what the activation keeps besides.
    """
    t, d, h = plan.tokens, plan.width, plan.hidden
    stem = 2 * t if plan.vocabulary else t * plan.patch_values  # token numbers are int64
    around = plan.norms * (t * d + 2 * t) + t * d + (t * d if plan.layer_scale is not None else 0)
    attention = 4 * t * d + plan.heads * t * t
    mlp = t * h * (1 + activations.kept(plan.activation)) if h else 0
    head = (t * d + 2 * t) * plan.final_norm + (t * d if plan.by_position else d)
    return stem + plan.blocks * (plan.branches * around + attention + mlp) + head


def _mask_bytes(plan: Encoder) -> int:
    """Where the padding of a sample is, a byte a token, and how many tokens their mean is over."""
    if plan.padding is None:
        return 0
    return plan.tokens + (0 if plan.by_position else 8)


def token_count(input_shape: tuple[int, ...], patch: int) -> int:
    """Patches of an image."""
    return math.prod(side // patch for side in input_shape[1:])
