"""What a finite width adds: the scatter of norms and gradients from one initialisation to the next.

Hanin & Rolnick 2018, "How to start training: the effect of initialization and architecture", and Hanin 2018, "Which
neural net architectures give rise to exploding and vanishing gradients?": in He-initialised ReLU networks the logarithm
of the squared activation norm is nearly normal, with a variance set by the sum of reciprocal widths.
"""

from collections.abc import Sequence

import numpy as np

from skipray.theory.sizes import positive


def log_norm_variance(widths: Sequence[int] | int, depth: int | None = None) -> float:
    """Var ln |h_L|^2 over initialisations of a He ReLU network with zero biases: 5 times the sum of 1 / n_l, 5 L / n.

    Args:
        widths: of the hidden layers, or one width with `depth` as their number.

    Raises:
        ValueError: a size below 1, a width without a depth.
    """
    if isinstance(widths, int):
        if depth is None:
            raise ValueError("found one width and no depth; allowed: both, or the width of every layer")
        positive(width=widths, depth=depth)
        return 5.0 * depth / widths
    for width in widths:
        positive(width=width)
    return float(5 * np.sum(1 / np.asarray(widths, dtype=float)))


def log_gradient_band(width: int, layers: float) -> float:
    """Standard deviation of ln of a gradient-norm ratio over so many layers, to the order of the norms' own:
    sqrt(5 layers / width) / 2. A band around mean-field growth; derived from `log_norm_variance`.

    Raises:
        ValueError: a size below 1.
    """
    positive(width=width, layers=layers)
    return float(np.sqrt(5 * layers / width) / 2)
