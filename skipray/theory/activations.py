"""Activations as functions of arrays, with their slopes, for quadrature without torch.

One's own is any function of an array; its slope is taken numerically.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import erf

from skipray.curves import Array

Function = Callable[[Array], Array]
STEP = 1e-5
"""Half of the step of a numerical slope."""


@dataclass(frozen=True)
class Pointwise:
    """An activation and its slope, both of arrays of any shape."""

    value: Function
    slope: Function


Activation = str | Function | Pointwise
"""A name, a function of an array, or both the function and its slope."""


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _normal_density(x: Array) -> Array:
    return np.asarray(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


def _normal_distribution(x: Array) -> Array:
    return np.asarray(0.5 * (1 + erf(x / np.sqrt(2))))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
"""Klambauer et al. 2017, "Self-normalizing neural networks", section 2."""

NAMED: dict[str, Pointwise] = {
    "linear": Pointwise(lambda x: x, np.ones_like),
    "relu": Pointwise(lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float)),
    "tanh": Pointwise(np.tanh, lambda x: 1 / np.cosh(np.clip(x, -300, 300)) ** 2),
    "erf": Pointwise(lambda x: erf(np.sqrt(np.pi) / 2 * x), lambda x: np.exp(-np.pi / 4 * x**2)),
    "sigmoid": Pointwise(_sigmoid, lambda x: _sigmoid(x) * (1 - _sigmoid(x))),
    "gelu": Pointwise(
        lambda x: x * _normal_distribution(x), lambda x: _normal_distribution(x) + x * _normal_density(x)
    ),
    "silu": Pointwise(lambda x: x * _sigmoid(x), lambda x: _sigmoid(x) * (1 + x * (1 - _sigmoid(x)))),
    "softplus": Pointwise(lambda x: np.logaddexp(0, x), _sigmoid),
    "elu": Pointwise(lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), lambda x: np.exp(np.minimum(x, 0))),
    "selu": Pointwise(
        lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
        lambda x: SELU_SCALE * np.where(x > 0, 1.0, SELU_ALPHA * np.exp(np.minimum(x, 0))),
    ),
    "sine": Pointwise(np.sin, np.cos),
}


def leaky_relu(slope: float) -> Pointwise:
    """The leaky ReLU max(x, 0) + slope min(x, 0)."""
    return Pointwise(lambda x: np.where(x > 0, x, slope * x), lambda x: np.where(x > 0, 1.0, slope))


def activation_of(activation: Activation) -> Pointwise:
    """The function and slope behind a name, or behind a function of arrays.

    Raises:
        ValueError: an unknown name.
    """
    if isinstance(activation, Pointwise):
        return activation
    if isinstance(activation, str):
        if activation not in NAMED:
            raise ValueError(f"found the activation {activation!r}; allowed: {', '.join(NAMED)}, or a function")
        return NAMED[activation]
    function = activation
    return Pointwise(function, lambda x: (function(x + STEP) - function(x - STEP)) / (2 * STEP))
