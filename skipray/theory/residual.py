"""Mean field of pre-activation residual networks, h' = h + a branch(h): growth is slow, so depth costs less.

Yang & Schoenholz 2017, "Mean field residual networks: on the edge of chaos", for branches of one layer,
branch(h) = W phi(h) + b with weights N(0, sigma_w^2 / n). Branches of several such layers repeat the step (derived
here). Behind a normalization each layer of a branch, W phi(N(h)), adds the same variance whatever the stream's, so that
the stream's variance grows linearly and a branch counts for less the deeper it is: gradients grow as a power of depth
(De & Smith 2020, "Batch normalization biases residual blocks towards the identity function"; of layer normalization
Doshi, He & Gromov 2023; Xiong et al. 2020). With k layers in a branch and q the variance that is normalised,

    layer   q' = q + a^2 w, w = sigma_w^2 E[phi(z)^2];   a block multiplies the squared gradient by 1 + a^2 w chi^k / q
    batch   the same of the variance over the samples: w = sigma_w^2 V and chi = lambda of `skipray.theory.batch_norm`
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from skipray.curves import Array
from skipray.theory.activations import Activation, Pointwise, activation_of
from skipray.theory.batch_norm import batch_norm_moments, batch_norm_squared_gradient_growth
from skipray.theory.layer_norm import layer_norm_gain
from skipray.theory.mean_field import correlation_gap_map, gradient_growth, variance_map

Normalization = Literal["none", "batch", "layer"]


@dataclass(frozen=True)
class ResidualField:
    """What is predicted behind 0 .. blocks; axes (blocks + 1,)."""

    variance: Array
    """Of an entry of the stream."""
    correlation_gap: Array
    """1 - c of two inputs."""
    squared_gradient: Array
    """Squared gradient norm at the stream, over that at its end."""


@dataclass(frozen=True)
class _Branch:
    """What a branch adds, given the stream's variance and 1 - c of two inputs."""

    phi: Pointwise
    weight_gain: float
    bias_variance: float
    layers: int
    normalization: Normalization
    batch: int

    def at(self, variance: float, gap: float | None) -> tuple[float, float, float]:
        """Variance of its end, half of the mean squared difference of two inputs there, and its factor on the squared
        gradient; without a gap the difference is that of independent inputs."""
        if self.normalization == "none":
            return self._bare(variance, gap)
        second = self.weight_gain * variance_map(1.0, self.phi, 1.0)
        if self.normalization == "batch":
            apart = self.weight_gain * batch_norm_moments(self.batch, self.phi)[0]
            growth = batch_norm_squared_gradient_growth(self.batch, self.phi)
            return second, apart, apart * growth**self.layers / (variance * (1.0 if gap is None else gap))
        gain, between = layer_norm_gain(self.phi), gap
        for _ in range(self.layers if between is not None else 0):
            between = correlation_gap_map(between or 0.0, 1.0, self.phi, gain)
        chi = gradient_growth(1.0, self.phi, gain)
        return second, second * (1.0 if between is None else between), second * chi**self.layers / variance

    def _bare(self, variance: float, gap: float | None) -> tuple[float, float, float]:
        variances, chi = [variance], 1.0
        for _ in range(self.layers):
            chi *= gradient_growth(variances[-1], self.phi, self.weight_gain)
            variances.append(variance_map(variances[-1], self.phi, self.weight_gain, self.bias_variance))
        if gap is None:
            return variances[-1], variances[-1], chi
        for before, behind in itertools.pairwise(variances):
            gap = before * correlation_gap_map(gap, before, self.phi, self.weight_gain) / behind
        return variances[-1], variances[-1] * gap, chi


def residual_field(
    blocks: int,
    activation: Activation,
    weight_gain: float,
    bias_variance: float = 0.0,
    *,
    residual_scale: float = 1.0,
    layers: int = 1,
    normalization: Normalization = "none",
    batch: int = 256,
    variance: float = 1.0,
    gap: float = 1.0,
) -> ResidualField:
    """The recursion of variance, correlation and gradient through pre-activation blocks.

    Of one weight layer: q' = q + a^2 (sigma_w^2 E[phi^2] + sigma_b^2),
    q' (1 - c') = q (1 - c) + a^2 sigma_w^2 E[(phi(u_1) - phi(u_2))^2] / 2,
    and a block multiplies the squared gradient norm by 1 + a^2 chi_1(q); behind a normalization see the module.

    Args:
        residual_scale: a. With a^2 = 1 / blocks nothing grows without bound.
        layers: weight layers of a branch.
        normalization: of each layer's input; biases are then 0.
        batch: samples that are normalised together.
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
    branch = _Branch(activation_of(activation), weight_gain, bias_variance, layers, normalization, batch)
    scale = residual_scale**2
    q, g = [variance], [gap]
    growth = []
    for _ in range(blocks):
        second, apart, chi = branch.at(q[-1], g[-1])
        difference = q[-1] * g[-1] + scale * apart
        growth.append(1 + scale * chi)
        q.append(q[-1] + scale * second)
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
    """Unnormalised pre-activation blocks after which the gradient's norm has grown by `factor` towards the input; the
    premises and arguments of `residual_field`. inf where `most` blocks do not suffice.

    Raises:
        ValueError: a factor of at most 1.
    """
    if factor <= 1:
        raise ValueError(f"found the factor {factor}; allowed: above 1")
    branch = _Branch(activation_of(activation), weight_gain, bias_variance, layers, "none", 0)
    wanted, reached, q = 2 * float(np.log(factor)), 0.0, 1.0
    for block in range(most):
        second, _, chi = branch.at(q, None)
        step = float(np.log1p(residual_scale**2 * chi))
        if reached + step >= wanted:
            return block + (wanted - reached) / step
        reached, q = reached + step, q + residual_scale**2 * second
    return float("inf")
