"""Mean field of post-activation residual networks, h' = phi(h + a branch(h)), the order of He et al. 2015.

No closed form is known: the stream of such a network is not Gaussian, since what an activation has cut off at one
addition is what the next one starts from, and a unit that is large stays so. In a wide network the units of the stream
are independent and follow the same random step, h' = phi(h + a g), with g Gaussian and independent of h, and the
variance of g depends on the average over the units alone. So a population of units that takes this step is an
infinitely wide network, up to its sampling error (about 1 / sqrt(UNITS) per block). Derived here; the tests hold it
against networks. With v = E[h^2], k weight layers in a branch and u_i standard normal behind their normalizations:

    none    g of the variance and the correlation that k layers make of v and E[h_1 h_2] / v;
            a branch multiplies the squared gradient by sigma_w^2 chi_1(q_1) ... chi_1(q_{k-1})
    layer   g of variance 1;           by (E[phi'(u)^2] / E[phi(u)^2])^(k-1) / v
    batch   g of variance 1, of two samples -1 / (B - 1) correlated (Yang et al. 2019, their BSB1);
            by lambda_B^(k-1) B / (B - 3) / (v - E[h_1 h_2]), lambda_B their growth per layer

The squared gradient at a unit is G = d + a^2 (branch's factor) mean(d), d = phi'(h + a g)^2 G', where G' is what it is
one block later. Premises: width (of ResNeXt's groups too) far above depth, at initialisation, stems as the blocks are
normalised. Batch: of terms of order 1 / B only those of the branch's layers are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from skipray.curves import Array
from skipray.theory.activations import Activation, Pointwise, activation_of
from skipray.theory.batch_norm import batch_norm_squared_gradient_growth
from skipray.theory.layer_norm import layer_norm_gain
from skipray.theory.mean_field import correlation_gap_map, gradient_growth, variance_map
from skipray.theory.residual import Normalization, ResidualField

UNITS, FEWER_UNITS = 2**14, 2**12
"""Of the population; fewer where only the gradient's growth is wanted, which an average over them has to 1 %."""
SEED = 20160
LARGEST = 1e150
"""A stream that has grown so far is left: its square would overflow."""


@dataclass(frozen=True)
class ResidualBlock:
    """What a block does, where units are the population; see the module's formulas."""

    phi: Pointwise
    weight_gain: float
    bias_variance: float
    scale: float
    layers: int
    normalization: Normalization
    batch: int

    def __post_init__(self) -> None:
        if self.scale < 0 or self.layers < 1 or not self.weight_gain > 0 or self.bias_variance < 0:
            raise ValueError(
                f"found residual_scale {self.scale}, layers {self.layers}, weight_gain {self.weight_gain}, "
                f"bias_variance {self.bias_variance}; allowed: at least 0, at least 1, above 0, at least 0"
            )

    def branch(self, stream: Array, *, pairs: bool) -> tuple[float, float, float]:
        """Variance and 1 - c of the branch's end, and its factor on the squared gradient.

        Args:
            stream: (units, 2) of two inputs.
            pairs: whether 1 - c is wanted; else 1 where it is not known without work.
        """
        v = float((stream**2).mean())
        difference = float(((stream[:, 0] - stream[:, 1]) ** 2).mean()) / 2  # v - E[h_1 h_2]
        if self.normalization == "batch":
            inner = batch_norm_squared_gradient_growth(self.batch, self.phi) ** (self.layers - 1)
            return 1.0, self.batch / (self.batch - 1), inner * self.batch / (self.batch - 3) / difference
        if self.normalization == "layer":
            gain = layer_norm_gain(self.phi)
            inner = gradient_growth(1.0, self.phi, gain) ** (self.layers - 1)
            gap = difference / v
            for _ in range(self.layers - 1) if pairs else ():
                gap = correlation_gap_map(gap, 1.0, self.phi, gain)
            return 1.0, gap, inner / v
        q = self.weight_gain * v + self.bias_variance
        gap, factor = self.weight_gain * difference / q, self.weight_gain
        for _ in range(self.layers - 1):
            behind = variance_map(q, self.phi, self.weight_gain, self.bias_variance)
            factor *= gradient_growth(q, self.phi, self.weight_gain)
            gap = q * correlation_gap_map(gap, q, self.phi, self.weight_gain) / behind if pairs else 1.0
            q = behind
        return q, gap, factor

    def sums(self, stream: Array, variance: float, gap: float, noise: _Noise) -> Array:
        """(units, 2) what the activation at the block's end is given."""
        along, across = noise.draw()
        spread = self.scale * np.sqrt(variance)
        along, across = spread * np.sqrt(1 - gap / 2) * along, spread * np.sqrt(gap / 2) * across
        return np.asarray(stream + np.stack([along + across, along - across], axis=1))


class _Noise:
    """Standard normal numbers whose distribution over the population is exact, in a new order each time."""

    def __init__(self, units: int) -> None:
        self.values = ndtri((np.arange(units) + 0.5) / units)
        self.values /= self.values.std()
        self.random = np.random.default_rng(SEED)

    def draw(self) -> tuple[Array, Array]:
        return self.random.permutation(self.values), self.random.permutation(self.values)


def _start(block: ResidualBlock, variance: float, gap: float, noise: _Noise) -> Array:
    """The stream behind the stem: phi of a weight layer's end, of variance 1 where that is normalised."""
    if block.normalization != "none":
        variance = 1.0
    if block.normalization == "batch":
        gap = block.batch / (block.batch - 1)
    bare = ResidualBlock(block.phi, 1.0, 0.0, 1.0, 1, "none", block.batch)
    return block.phi.value(bare.sums(np.zeros((len(noise.values), 2)), variance, gap, noise))


def post_activation_field(
    blocks: int,
    activation: Activation,
    weight_gain: float = 2.0,
    bias_variance: float = 0.0,
    *,
    residual_scale: float = 1.0,
    layers: int = 2,
    normalization: Normalization = "none",
    batch: int = 256,
    variance: float = 1.0,
    gap: float = 1.0,
) -> ResidualField:
    """Variance, correlation and gradient behind the stem and each block.

    Args:
        weight_gain, bias_variance: read without a normalization alone.
        residual_scale: a.
        layers: weight layers of a branch: 2 of a basic block, 3 of a bottleneck or of ResNeXt, whatever its groups.
        batch: samples that are normalised together.
        variance, gap: of the stem's pre-activations; normalization sets the variance, over the batch 1 - c too.

    Returns:
        `variance` is E[h^2] of the stream, `correlation_gap` is 1 - E[h_1 h_2] / E[h^2], the cosine's.

    Raises:
        ValueError: a size that is not allowed, an unknown activation, a batch below 5.
    """
    if blocks < 0 or not variance > 0 or not 0 <= gap <= 2:
        raise ValueError(
            f"found blocks {blocks}, variance {variance}, gap {gap}; allowed: at least 0, above 0, and in [0, 2]"
        )
    phi = activation_of(activation)
    block = ResidualBlock(phi, weight_gain, bias_variance, residual_scale, layers, normalization, batch)
    noise = _Noise(UNITS)
    stream = _start(block, variance, gap, noise)
    streams, slopes, factors = [stream], [], []
    for _ in range(blocks):
        spread, between, factor = block.branch(stream, pairs=True)
        sums = block.sums(stream, spread, between, noise)
        stream = block.phi.value(sums)
        streams.append(stream)
        slopes.append(block.phi.slope(sums) ** 2)
        factors.append(block.scale**2 * factor)
    gradient = np.ones_like(stream)
    backwards = [1.0]
    for slope, factor in zip(reversed(slopes), reversed(factors), strict=True):
        masked = slope * gradient
        gradient = masked + factor * masked.mean()
        backwards.append(float(gradient.mean()))
    second = np.array([(s**2).mean() for s in streams])
    differences = np.array([((s[:, 0] - s[:, 1]) ** 2).mean() / 2 for s in streams])
    return ResidualField(second, differences / second, np.array(backwards[::-1]))


def post_activation_growth(
    blocks: int,
    activation: Activation,
    weight_gain: float = 2.0,
    bias_variance: float = 0.0,
    *,
    residual_scale: float = 1.0,
    layers: int = 2,
    normalization: Normalization = "none",
    batch: int = 256,
    variance: float = 1.0,
    stop: float = np.inf,
) -> Array:
    """(up to blocks + 1,) ln of the gradient norm's growth from the end to the stem of networks of 0 .. blocks blocks,
    no further than where its size passes `stop`.

    The sums over paths of the squared gradient are carried forwards here, so that one pass has every depth.

    Raises:
        ValueError: as `post_activation_field`.
    """
    phi = activation_of(activation)
    block = ResidualBlock(phi, weight_gain, bias_variance, residual_scale, layers, normalization, batch)
    noise = _Noise(FEWER_UNITS)
    stream = _start(block, variance, 1.0, noise)
    paths, logs = np.ones_like(stream), [0.0]
    for _ in range(blocks):
        spread, between, factor = block.branch(stream, pairs=False)
        sums = block.sums(stream, spread, between, noise)
        paths = block.phi.slope(sums) ** 2 * (paths + block.scale**2 * factor * paths.mean())
        size = float(paths.mean())
        if not np.isfinite(size) or size <= 0:
            break
        paths /= size
        logs.append(logs[-1] + np.log(size) / 2)
        stream = block.phi.value(sums)
        if abs(logs[-1]) > stop or not np.abs(stream).max() < LARGEST:
            break
    return np.array(logs)
