"""Correlation of two inputs in wide ReLU networks with He initialisation: the arc-cosine kernel."""

from __future__ import annotations

import numpy as np

from skipray.curves import Array
from skipray.theory.sizes import positive


def relu_correlation(correlation: float, *, residual_scale: float | None = None) -> float:
    """Correlation of two inputs after one wide ReLU layer with He initialisation, zero bias.

    f(c) = [sqrt(1-c^2) + c (pi - arccos c)] / pi (Cho & Saul 2009, eq. 6, degree 1); with a residual branch of scale a,
    (c + a^2 f(c)) / (1 + a^2).

    Raises:
        ValueError: a correlation outside of [-1, 1].
    """
    if not -1.0 <= correlation <= 1.0:
        raise ValueError(f"found correlation {correlation}; allowed: -1 to 1")
    after = float((np.sqrt(1 - correlation**2) + correlation * (np.pi - np.arccos(correlation))) / np.pi)
    if residual_scale is None:
        return after
    return (correlation + residual_scale**2 * after) / (1 + residual_scale**2)


def relu_correlations(depth: int, start: float, *, residual_scale: float | None = None) -> Array:
    """(depth + 1,) correlation of two inputs after each of 0 .. depth wide ReLU layers.

    Raises:
        ValueError: a negative depth, a correlation outside of [-1, 1].
    """
    if depth < 0:
        raise ValueError(f"found depth {depth}; allowed: at least 0")
    out = [start]
    for _ in range(depth):
        out.append(min(1.0, relu_correlation(out[-1], residual_scale=residual_scale)))
    return np.array(out)


def relu_correlation_gap(depth: float) -> float:
    """1 - c after many layers: 9 pi^2 / (2 l^2), the power law that `relu_correlations` runs into. Derived here from
    f(c) = c + (2 sqrt 2 / 3 pi) (1-c)^(3/2).

    Raises:
        ValueError: a depth below 1.
    """
    positive(depth=depth)
    return float(9 * np.pi**2 / (2 * depth**2))
