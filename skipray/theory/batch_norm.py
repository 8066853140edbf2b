"""Mean field of batch normalization: how fast gradients grow in a plain network that normalises over a batch of B.

Yang, Pennington, Rao, Sohl-Dickstein & Schoenholz 2019, "A mean field theory of batch normalization". Behind a batch
normalization without learned scale the B values of a unit depend only on the direction of the centred pre-activations.
At the symmetric fixed point of the covariance over the batch (their BSB1) that direction is uniform on the sphere of
the B - 1 dimensions orthogonal to (1, ..., 1), and the radius is independent of it. One layer then multiplies the
squared norm of the gradient by

    lambda = B E[tr(P D G D P)] / ((B - 3) (B - 1) V),     V = E[phi(z_1)^2] - E[phi(z_1) phi(z_2)]

with G = I - 11'/B, P = G - uu' (u the direction), z = sqrt(B) u and D = diag(phi'(z)); E[1/r^2] = 1/(B - 3) is that of
the chi-squared radius. For phi linear this is their (B - 2)/(B - 3), for ReLU and large B their pi / (pi - 1). The
weights' variance cancels. Premises: width far above B, a plain network (no skips), biases zero, at initialisation.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import roots_jacobi

from skipray.curves import Array
from skipray.theory.activations import Activation, activation_of
from skipray.theory.mean_field import gaussian_mean
from skipray.theory.sizes import positive

MEAN_FIELD_GRADIENT_GROWTH = np.pi / (np.pi - 1)
"""1.467: growth of the squared gradient norm a layer in a wide batch-normalised ReLU plain network (Yang et al. 2019,
"A mean field theory of batch normalization", section 4)."""
SMALLEST_BATCH = 5
"""Below this the marginal law of two samples has no density on the disc."""
LARGEST_BATCH = 2048
"""Larger batches count as this one: what is left of the way to the limit is below 5e-4."""
RADII, ANGLES = 64, 1440
"""Nodes of the quadrature over two coordinates of a point on the sphere."""


def batch_norm_squared_gradient_growth(batch: int, activation: Activation = "relu") -> float:
    """Factor by which one layer of a wide batch-normalised plain network multiplies the squared gradient norm.

    Args:
        batch: samples that are normalised together, B.
        activation: a name of `skipray.theory.activations`, or a function of an array.

    Raises:
        ValueError: a batch below 5, an unknown activation, one that is constant on the batch.
    """
    return batch_norm_moments(batch, activation)[1]


@lru_cache(maxsize=256)
def batch_norm_moments(batch: int, activation: Activation = "relu") -> tuple[float, float]:
    """V = E[phi(z_1)^2] - E[phi(z_1) phi(z_2)], the variance over samples that a normalised unit has behind its
    activation, and the factor on the squared gradient norm per layer.

    Raises:
        ValueError: as `batch_norm_squared_gradient_growth`.
    """
    if batch < SMALLEST_BATCH:
        raise ValueError(f"found a batch of {batch}; allowed: at least {SMALLEST_BATCH}")
    batch = min(batch, LARGEST_BATCH)
    phi = activation_of(activation)
    z1, z2, weight = _two_samples(batch)
    first, second = phi.value(z1), phi.value(z2)
    d1, d2 = phi.slope(z1), phi.slope(z2)

    def mean(values: Array) -> float:
        return float((weight * values).sum())

    variance = mean(first**2) - mean(first * second)
    if variance <= 1e-12:
        raise ValueError("found an activation that is constant on the batch; allowed: one that varies")
    b = float(batch)
    trace = (b - 1) * (1 - 1 / b) * mean(d1**2) - (b - 1) / b * mean((d1 * z1) ** 2)
    trace += (b - 1) / b * (mean(d1 * d2) + mean(d1 * d2 * z1 * z2))
    return variance, b * trace / ((b - 3) * (b - 1) * variance)


def batch_norm_symmetry(activation: Activation = "relu") -> float:
    """Factor per layer on a difference between the samples' variances, in a large batch: above 1 the state in which all
    samples are alike, on which the growth of gradients here rests, is not stable.

    With q the variance of one sample before the activation, d/dq Var phi(sqrt(q) z) about the others' mean, at q = 1,
    over V. 1 for ReLU and linear (below it in finite batches), .46 for tanh, 1.06 for GELU, 1.10 for SiLU: of these two
    a few samples take over with depth, and gradients grow faster than predicted, the more so the larger the batch.
    Derived here; Yang et al. 2019 describe such broken symmetry (their BSB2) of other activations.

    Raises:
        ValueError: an unknown activation, one that is constant.
    """
    phi = activation_of(activation)
    mean = gaussian_mean(phi.value, 1.0)

    def spread(q: float) -> float:
        return gaussian_mean(lambda x: phi.value(x) ** 2 - 2 * mean * phi.value(x), q)

    step = 1e-3
    variance = spread(1.0) + mean**2
    if variance <= 1e-12:
        raise ValueError("found an activation that is constant; allowed: one that varies")
    return (spread(1 + step) - spread(1 - step)) / (2 * step) / variance


@lru_cache(maxsize=16)
def _two_samples(batch: int) -> tuple[Array, Array, Array]:
    """Nodes (z_1, z_2) and weights for two entries of a vector that is uniform on the sphere of radius sqrt(B) in the
    B - 1 dimensions orthogonal to (1, ..., 1)."""
    dimensions = batch - 1
    # Two coordinates of a uniform unit vector in k dimensions have density (1 - rho^2)^((k - 4) / 2) on the disc.
    nodes, weights = roots_jacobi(RADII, (dimensions - 4) / 2, 0.0)
    rho = np.sqrt((1 + nodes) / 2)
    angle = (np.arange(ANGLES) + 0.5) * 2 * np.pi / ANGLES
    s1 = (rho[:, None] * np.cos(angle)[None, :]).ravel()
    s2 = (rho[:, None] * np.sin(angle)[None, :]).ravel()
    weight = np.repeat(weights / weights.sum() / ANGLES, ANGLES)
    correlation = -1.0 / dimensions
    radius = np.sqrt(dimensions)
    return radius * s1, radius * (correlation * s1 + np.sqrt(1 - correlation**2) * s2), weight


def batch_norm_explosion_depth(factor: float, batch: int, activation: Activation = "relu") -> float:
    """Layers after which the gradient's norm has grown by `factor` towards the input.

    Raises:
        ValueError: as `batch_norm_squared_gradient_growth`; a factor of at most 1.
    """
    if factor <= 1:
        raise ValueError(f"found the factor {factor}; allowed: above 1")
    return float(2 * np.log(factor) / np.log(batch_norm_squared_gradient_growth(batch, activation)))


def batch_norm_log10_gradient_growth(depth: float, batch: int | None = None, activation: Activation = "relu") -> float:
    """log10 of the gradient norm's growth from the last to the first of `depth` layers of a wide batch-normalised ReLU
    plain network: depth / 2 * log10(growth of the squared norm per layer) (Yang et al. 2019).

    Args:
        batch: samples that are normalised together; None for very many and ReLU, pi / (pi - 1) per layer.

    Raises:
        ValueError: a depth below 1.
    """
    positive(depth=depth)
    if batch is None and activation != "relu":
        raise ValueError("found no batch; allowed: without one only relu")
    growth = MEAN_FIELD_GRADIENT_GROWTH if batch is None else batch_norm_squared_gradient_growth(batch, activation)
    return float(depth / 2 * np.log10(growth))
