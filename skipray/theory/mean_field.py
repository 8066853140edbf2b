"""Mean field of wide fully connected networks at initialisation: variance, correlation and gradients by layer.

Poole et al. 2016, "Exponential expressivity in deep neural networks through transient chaos", and Schoenholz et al.
2017, "Deep information propagation". Weights are N(0, sigma_w^2 / n) and biases N(0, sigma_b^2); z is standard normal.

    q' = sigma_w^2 E[phi(sqrt(q) z)^2] + sigma_b^2                  variance of a pre-activation, fixed point q*
    chi_1 = sigma_w^2 E[phi'(sqrt(q*) z)^2]                         growth of the squared gradient norm per layer
    c' = (sigma_w^2 E[phi(u_1) phi(u_2)] + sigma_b^2) / q*          correlation of two inputs, fixed point c*
    xi_c = -1 / ln chi_c*, chi_c* the slope of that map at c*       depth scale: "networks train to about 6 xi_c"

Premises: width far above depth, independent weights, no normalization and no skips. Trained networks also need a
learning rate that suits: 6 xi_c is a bound that the best rate approaches. At width n the values scatter: the variance
of ln |h|^2 alone grows by about 5 / n per layer (`skipray.theory.finite_width`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from skipray.curves import Array
from skipray.theory.activations import Activation, Function, Pointwise, activation_of

LAYERS_PER_SCALE = 6.0
"""Schoenholz et al. 2017, section 5: networks train to about six times xi_c."""
REACH, CELLS = 9.0, 3600
"""The standard normal is integrated over -9 to 9 in so many cells; 0, where activations have kinks, is a cell's end."""
PLANE_REACH, PLANE_CELLS = 6.5, 520
"""The same for two of them."""
SMALLEST_Q, LARGEST_Q = 1e-10, 1e10
TOLERANCE = 1e-7
"""Relative change of a variance per layer that counts as none."""


def _cells(reach: float, count: int) -> tuple[Array, Array]:
    edges = np.linspace(-reach, reach, count + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    mass = np.exp(-(middle**2) / 2)
    return middle, mass / mass.sum()


_Z, _MASS = _cells(REACH, CELLS)
_LINE, _LINE_MASS = _cells(PLANE_REACH, PLANE_CELLS)


@dataclass(frozen=True)
class MeanField:
    """What is predicted of a network by its activation and the variances of its weights and biases."""

    q_star: float
    """Variance of a pre-activation after many layers; 0 where it dies out, inf where it has no limit."""
    chi_1: float
    """Growth of the squared gradient norm per layer at q*; below 1 ordered, above 1 chaotic."""
    c_star: float
    """Correlation that two inputs run into; 1 in the ordered phase."""
    chi_c: float
    """Slope of the correlation map at c*."""
    xi_c: float
    """Layers over which a difference of correlations shrinks by e; inf at the critical point."""
    xi_q: float
    """Layers over which a difference of variances shrinks by e."""

    @property
    def trainable_depth(self) -> float:
        """6 xi_c, the depth to which such networks have been found to train with the best learning rate."""
        return LAYERS_PER_SCALE * self.xi_c


def gaussian_mean(function: Function, q: float) -> float:
    """E[function(sqrt(q) z)], z standard normal."""
    return float((_MASS * function(np.sqrt(q) * _Z)).sum())


def variance_map(q: float, activation: Activation, weight_gain: float, bias_variance: float = 0.0) -> float:
    """Variance of a pre-activation one layer later: sigma_w^2 E[phi(sqrt(q) z)^2] + sigma_b^2.

    Args:
        weight_gain: sigma_w^2, 2 for He initialisation of ReLU.
        bias_variance: sigma_b^2.
    """
    phi = activation_of(activation)
    return weight_gain * float((_MASS * phi.value(np.sqrt(q) * _Z) ** 2).sum()) + bias_variance


def gradient_growth(q: float, activation: Activation, weight_gain: float) -> float:
    """chi_1 at a variance q: sigma_w^2 E[phi'(sqrt(q) z)^2]."""
    phi = activation_of(activation)
    return weight_gain * float((_MASS * phi.slope(np.sqrt(q) * _Z) ** 2).sum())


def correlation_gap_map(gap: float, q: float, activation: Activation, weight_gain: float) -> float:
    """1 - c one layer later, from 1 - c now, at a variance q that stays: sigma_w^2 E[(phi(u_1) - phi(u_2))^2] / (2 q).

    Written for the gap, so that it keeps its digits where c is close to 1.

    Args:
        gap: 1 - c, in [0, 2].
    """
    phi = activation_of(activation)
    along, across = np.sqrt(q * (1 - gap / 2)) * _LINE[:, None], np.sqrt(q * gap / 2) * _LINE[None, :]
    difference = phi.value(along + across) - phi.value(along - across)
    mean = float(_LINE_MASS @ (difference**2) @ _LINE_MASS)
    return weight_gain * mean / (2 * q)


def correlation_gaps(
    depth: int, start: float, activation: Activation, weight_gain: float, bias_variance: float = 0.0
) -> Array:
    """(depth + 1,) 1 - c after 0 .. depth layers, from a first one, at the fixed point of the variance.

    Raises:
        ValueError: a negative depth, a gap outside of [0, 2], a variance without a fixed point above 0.
    """
    if depth < 0 or not 0 <= start <= 2:
        raise ValueError(f"found depth {depth} and a gap of {start}; allowed: a depth of at least 0, a gap in [0, 2]")
    q = _variance_for_maps(activation, weight_gain, bias_variance)
    gaps = [start]
    for _ in range(depth):
        gaps.append(correlation_gap_map(gaps[-1], q, activation, weight_gain))
    return np.array(gaps)


def mean_field(activation: Activation, weight_gain: float, bias_variance: float = 0.0) -> MeanField:
    """Fixed points and depth scales of a wide network.

    Args:
        activation: a name of `skipray.theory.activations`, or a function of an array.
        weight_gain: sigma_w^2.
        bias_variance: sigma_b^2.

    Raises:
        ValueError: an unknown activation, a gain that is not positive, a negative bias variance.
    """
    if not weight_gain > 0 or bias_variance < 0:
        raise ValueError(
            f"found weight_gain {weight_gain} and bias_variance {bias_variance}; allowed: above 0, and at least 0"
        )
    phi = activation_of(activation)
    q = _fixed_variance(phi, weight_gain, bias_variance)
    at = min(max(q, SMALLEST_Q), LARGEST_Q)
    step = 1e-3
    high, low = (variance_map(at * np.exp(s), phi, weight_gain, bias_variance) for s in (step, -step))
    chi_q = float((high - low) / (at * (np.exp(step) - np.exp(-step))))
    return field_at(q, phi, weight_gain, _scale(chi_q))


def field_at(q: float, phi: Pointwise, weight_gain: float, xi_q: float) -> MeanField:
    """What follows from the variance that pre-activations keep."""
    chi_1 = gradient_growth(min(max(q, SMALLEST_Q), LARGEST_Q), phi, weight_gain)
    gap = 0.0
    if chi_1 > 1 + TOLERANCE and np.isfinite(q) and q > 0:
        gap = _fixed_gap(phi, weight_gain, q)
    chi_c = chi_1 if gap == 0 else _slope(gap, q, phi, weight_gain)
    return MeanField(q, chi_1, 1 - gap, chi_c, _scale(chi_c), xi_q)


def depth_scale(activation: Activation, weight_gain: float, bias_variance: float = 0.0) -> float:
    """xi_c in layers: two inputs' correlation comes closer to its limit by e over so many (Schoenholz et al. 2017).

    inf at the critical point. Networks train to about 6 xi_c. For tanh and sigma_b^2 = .05, 6 xi_c is 22, 47, 71 and 42
    layers at sigma_w^2 = 1, 1.3, 2.5 and 4.

    Raises:
        ValueError: as `mean_field`.
    """
    return mean_field(activation, weight_gain, bias_variance).xi_c


def trainable_depth(activation: Activation, weight_gain: float, bias_variance: float = 0.0) -> float:
    """6 xi_c in layers; see `depth_scale`."""
    return mean_field(activation, weight_gain, bias_variance).trainable_depth


def critical_weight_gain(activation: Activation, bias_variance: float = 0.0, *, highest: float = 100.0) -> float:
    """The sigma_w^2 at which chi_1 is 1: the edge between the ordered and the chaotic phase.

    Raises:
        ValueError: no such gain below `highest`.
    """

    def excess(log_gain: float) -> float:
        return float(np.log(mean_field_growth(activation, float(np.exp(log_gain)), bias_variance)))

    low, high = np.log(1e-2), np.log(highest)
    if excess(low) * excess(high) > 0:
        raise ValueError(f"found no critical weight gain from 0.01 to {highest}; allowed: an activation that has one")
    return float(np.exp(brentq(excess, low, high, xtol=1e-10)))


def mean_field_growth(activation: Activation, weight_gain: float, bias_variance: float = 0.0) -> float:
    """chi_1 at the fixed point of the variance, without the correlation map."""
    phi = activation_of(activation)
    q = min(max(_fixed_variance(phi, weight_gain, bias_variance), SMALLEST_Q), LARGEST_Q)
    return gradient_growth(q, phi, weight_gain)


def _scale(slope: float) -> float:
    size = abs(slope)
    if abs(size - 1) < TOLERANCE:
        return float("inf")
    return float(-1 / np.log(size)) if 0 < size < 1 else (0.0 if size == 0 else float("inf"))


def _variance_for_maps(activation: Activation, weight_gain: float, bias_variance: float) -> float:
    q = _fixed_variance(activation_of(activation), weight_gain, bias_variance)
    if not np.isfinite(q) or q <= 0:
        raise ValueError(f"found no variance above 0 that stays (q* = {q}); allowed: gains at which there is one")
    return q


def _fixed_variance(phi: Pointwise, weight_gain: float, bias_variance: float) -> float:
    """The variance that iteration from 1 runs into: 0 where it dies out, inf where it grows without end."""

    def growth(log_q: float) -> float:
        q = float(np.exp(log_q))
        return variance_map(q, phi, weight_gain, bias_variance) / q - 1

    here = growth(0.0)
    if abs(here) < TOLERANCE:
        return 1.0
    end = np.log(LARGEST_Q if here > 0 else SMALLEST_Q)
    steps = np.linspace(0.0, end, 161)[1:]
    before = 0.0
    for step in steps:
        if growth(step) * here < 0:
            return float(np.exp(brentq(growth, before, step, xtol=1e-13)))
        before = step
    return float("inf") if here > 0 else 0.0


def _fixed_gap(phi: Pointwise, weight_gain: float, q: float) -> float:
    """1 - c* of the chaotic phase: where the gap stays."""

    def growth(log_gap: float) -> float:
        gap = float(np.exp(log_gap))
        return correlation_gap_map(gap, q, phi, weight_gain) / gap - 1

    # Below 2, where odd activations have a second fixed point, from which everything moves away.
    low, high = np.log(1e-9), np.log(1.999)
    if growth(low) <= 0:
        return 0.0  # the grid cannot tell this from the critical point
    if growth(high) >= 0:
        return 2.0
    return float(np.exp(brentq(growth, low, high, xtol=1e-12)))


def _slope(gap: float, q: float, phi: Pointwise, weight_gain: float) -> float:
    """chi_c at a correlation: sigma_w^2 E[phi'(u_1) phi'(u_2)]."""
    along, across = np.sqrt(q * (1 - gap / 2)) * _LINE[:, None], np.sqrt(q * gap / 2) * _LINE[None, :]
    product = phi.slope(along + across) * phi.slope(along - across)
    return weight_gain * float(_LINE_MASS @ product @ _LINE_MASS)
