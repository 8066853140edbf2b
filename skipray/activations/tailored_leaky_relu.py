"""Tailored leaky ReLU (Zhang et al. 2022, Deep Learning without Shortcuts): the slope follows from the depth.

`sqrt(2 / (1 + a^2)) (max(x, 0) + a min(x, 0))`, which keeps the mean square of normal inputs. Its map of cosines is

    C(c) = c + (1 - a)^2 / (pi (1 + a^2)) (sqrt(1 - c^2) - c arccos(c)),

and the slope a is the one with which as many maps one behind the other as the network has activations take the cosine 0
to `eta`: deeper networks get slopes nearer to 1. Weights have variance 1 / fan_in (lecun_normal, orthogonal,
delta_orthogonal) and biases are 0. Of networks without skips: with them the maps are others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from skipray.activations import Expressions
    from skipray.theory.activations import Pointwise

ARGUMENTS: dict[str, float | None] = {"eta": None}
EXAMPLE = {"eta": 0.9}
KEPT = 1
FAMILIES = ("plainnet",)
"""Which of skipray's families have no skips."""
INITIALISATIONS = ("lecun_normal", "orthogonal", "delta_orthogonal")


def check(arguments: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the arguments."""
    eta = arguments["eta"]
    if isinstance(eta, int | float) and not isinstance(eta, bool) and not 0 < eta < 1:
        yield f"found eta {eta}; allowed: above 0 and below 1"


def make(layers: int, eta: float) -> Callable[[torch.Tensor], torch.Tensor]:
    from torch.nn.functional import leaky_relu

    a = slope(layers, eta)
    scale = math.sqrt(2 / (1 + a * a))

    def tailored(x: torch.Tensor) -> torch.Tensor:
        return leaky_relu(x, a) * scale

    return tailored


def write(layers: int, eta: float) -> Expressions:
    from skipray.activations import Expressions, called

    a = slope(layers, eta)
    scale = math.sqrt(2 / (1 + a * a))
    return Expressions(
        f"{called('leaky_relu', '{x}', a)} * {scale}",
        called("leaky_relu_backward", f"{{g}} * {scale}", "{kept}", a, False),
    )


def pointwise(layers: int, eta: float) -> Pointwise:
    from skipray.theory.activations import Pointwise, leaky_relu

    a = slope(layers, eta)
    scale, leaky = math.sqrt(2 / (1 + a * a)), leaky_relu(a)
    return Pointwise(lambda x: scale * leaky.value(x), lambda x: scale * leaky.slope(x))


@lru_cache(maxsize=256)
def slope(layers: int, eta: float) -> float:
    """The slope with which `layers` maps take the cosine 0 to eta; 0, a ReLU, where even that does not reach it.

    >>> round(composed(50, slope(50, 0.9)), 9)
    0.9
    """
    if composed(layers, 0.0) <= eta:
        return 0.0
    low, high = 0.0, 1.0  # the composition falls with the slope, to 0 at 1
    for _ in range(200):
        middle = (low + high) / 2
        if composed(layers, middle) > eta:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def composed(layers: int, a: float) -> float:
    """The cosine that `layers` maps take 0 to."""
    share = (1 - a) ** 2 / (math.pi * (1 + a * a))
    c = 0.0
    for _ in range(layers):
        c = min(1.0, c + share * (math.sqrt(max(0.0, 1 - c * c)) - c * math.acos(c)))
    return c
