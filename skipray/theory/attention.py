"""Rank collapse of pure attention.

Dong, Cordonnier & Loukas 2021, "Attention is not all you need: pure attention loses rank doubly exponentially with
depth", Theorems 2.2 and 2.3 with Corollary 2.1. res(X) = X - 1 x' is what of the tokens is not alike, in the 1-inf
composite norm sqrt(|R|_1 |R|_inf).
"""

from __future__ import annotations

import numpy as np

from skipray.curves import Array


def rank_one_distance(tokens: Array) -> float:
    """sqrt(|R|_1 |R|_inf) / sqrt(|X|_1 |X|_inf) of R = X - 1 x': how far tokens are from being all alike.

    The published x minimises the norm of R; here it is the mean of the tokens, which bounds that from above.

    Args:
        tokens: axes (tokens, features).

    Raises:
        ValueError: another number of axes, an array of zeros or of values that are not finite.
    """
    if tokens.ndim != 2 or not np.isfinite(tokens).all():
        raise ValueError(f"found an array of shape {tokens.shape}; allowed: finite values with axes (tokens, features)")
    whole = _composite_norm(tokens)
    if whole == 0:
        raise ValueError("found only zeros; allowed: an array with other values")
    return _composite_norm(tokens - tokens.mean(axis=0)) / whole


def _composite_norm(matrix: Array) -> float:
    size = np.abs(matrix)
    return float(np.sqrt(size.sum(axis=0).max() * size.sum(axis=1).max()))


def attention_log_residual_bound(
    layers: int, log_residual: float, *, beta: float, heads: int = 1, key_width: int, gamma: float = 1.0
) -> float:
    """ln of the bound (4 gamma beta H / sqrt(d_qk))^((3^L - 1) / 2) |res(X)|^(3^L) on |res(SAN(X))| after L layers.

    Falls doubly exponentially where 4 gamma beta H |res|^2 < sqrt(d_qk); elsewhere the bound says nothing. Skips and
    MLPs are outside of its premises.

    Args:
        log_residual: ln |res(X)| of the input.
        beta: bound on |W_QK|_1 |W_V|_(1,inf) of every layer and head.
        gamma: the term of the published bound that depends on the attention's entries.

    Raises:
        ValueError: a negative number of layers, other sizes that are not positive.
    """
    if layers < 0 or min(beta, heads, key_width, gamma) <= 0:
        raise ValueError("found sizes that are not positive; allowed: layers of at least 0, the others above 0")
    power = 3.0**layers
    return float((power - 1) / 2 * np.log(4 * gamma * beta * heads / np.sqrt(key_width)) + power * log_residual)
