"""Mean field of residual networks without normalization, h' = h + a branch(h): growth is slow, so depth costs less.

Yang & Schoenholz 2017, "Mean field residual networks: on the edge of chaos", for branches of one layer,
branch(h) = W phi(h) + b with weights N(0, sigma_w^2 / n): the order of a pre-activation network. Branches of several
such layers repeat the step (derived here).
"""

import itertools
from dataclasses import dataclass

import numpy as np

from skipray.curves import Array
from skipray.theory.activations import Activation, Pointwise, activation_of
from skipray.theory.mean_field import correlation_gap_map, gradient_growth, variance_map


@dataclass(frozen=True)
class ResidualField:
    """What is predicted behind 0 .. blocks; axes (blocks + 1,)."""

    variance: Array
    """Of an entry of the stream."""
    correlation_gap: Array
    """1 - c of two inputs."""
    squared_gradient: Array
    """Squared gradient norm at the stream, over that at its end."""


def residual_field(
    blocks: int,
    activation: Activation,
    weight_gain: float,
    bias_variance: float = 0.0,
    *,
    residual_scale: float = 1.0,
    layers: int = 1,
    variance: float = 1.0,
    gap: float = 1.0,
) -> ResidualField:
    """The recursion of variance, correlation and gradient through pre-activation blocks.

    Of one weight layer: q' = q + a^2 (sigma_w^2 E[phi^2] + sigma_b^2),
    q' (1 - c') = q (1 - c) + a^2 sigma_w^2 E[(phi(u_1) - phi(u_2))^2] / 2,
    and a block multiplies the squared gradient norm by 1 + a^2 chi_1(q).

    Args:
        residual_scale: a. With a^2 = 1 / blocks nothing grows without bound.
        layers: weight layers of a branch.
        variance, gap: at the first block's input.

    Raises:
        ValueError: a negative number of blocks or scale, no layer, a variance that is not positive, a gap outside of
            [0, 2].
    """
    if blocks < 0 or residual_scale < 0 or layers < 1 or not variance > 0 or not 0 <= gap <= 2:
        raise ValueError(
            f"found blocks {blocks}, residual_scale {residual_scale}, layers {layers}, variance {variance}, gap {gap}; "
            "allowed: at least 0, at least 0, at least 1, above 0, and in [0, 2]"
        )
    phi = activation_of(activation)
    scale = residual_scale**2
    q, g = [variance], [gap]
    growth = []
    for _ in range(blocks):
        variances, chi = _branch(q[-1], phi, weight_gain, bias_variance, layers)
        branch, between = variances[-1], g[-1]
        for before, behind in itertools.pairwise(variances):
            between = before * correlation_gap_map(between, before, phi, weight_gain) / behind
        difference = q[-1] * g[-1] + scale * branch * between
        growth.append(1 + scale * chi)
        q.append(q[-1] + scale * branch)
        g.append(difference / q[-1])
    backwards = np.concatenate([np.cumprod(growth[::-1])[::-1], [1.0]])
    return ResidualField(np.array(q), np.array(g), backwards)


def residual_explosion_blocks(
    factor: float,
    activation: Activation,
    weight_gain: float,
    bias_variance: float = 0.0,
    *,
    residual_scale: float = 1.0,
    layers: int = 1,
    most: int = 5000,
) -> float:
    """Pre-activation blocks after which the gradient's norm has grown by `factor` towards the input; the premises and
    arguments of `residual_field`. inf where `most` blocks do not suffice.

    Raises:
        ValueError: a factor of at most 1.
    """
    if factor <= 1:
        raise ValueError(f"found the factor {factor}; allowed: above 1")
    phi = activation_of(activation)
    wanted, reached, q = 2 * float(np.log(factor)), 0.0, 1.0
    for block in range(most):
        variances, chi = _branch(q, phi, weight_gain, bias_variance, layers)
        step = float(np.log1p(residual_scale**2 * chi))
        if reached + step >= wanted:
            return block + (wanted - reached) / step
        reached, q = reached + step, q + residual_scale**2 * variances[-1]
    return float("inf")


def _branch(
    variance: float, phi: Pointwise, weight_gain: float, bias_variance: float, layers: int
) -> tuple[list[float], float]:
    """The variances before, between and behind a branch's weight layers, and its growth of the squared gradient."""
    variances, chi = [variance], 1.0
    for _ in range(layers):
        chi *= gradient_growth(variances[-1], phi, weight_gain)
        variances.append(variance_map(variances[-1], phi, weight_gain, bias_variance))
    return variances, chi
