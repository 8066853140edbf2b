"""The grid on which a falling logistic curve of `trained` over ln(depth) is fitted, and its likelihood there."""

import numpy as np

from skipray.curves import Array

TINY = 1e-300


def midpoints(log_depth: Array, count: int) -> Array:
    """(count,) from a factor 16 below to 16 above the depths tried.

    Args:
        log_depth: (depths,) ascending.
    """
    return np.linspace(log_depth[0] - np.log(16), log_depth[-1] + np.log(16), count)


def steepnesses(log_depth: Array, count: int) -> Array:
    """(count,) from all but flat over the depths tried to a step between two neighbours.

    Args:
        log_depth: (depths,) ascending, at least two.
    """
    return np.geomspace(0.02 / (log_depth[-1] - log_depth[0]), 60.0 / float(np.min(np.diff(log_depth))), count)


def log_likelihood(
    log_depth: Array, wins: np.ndarray, counts: np.ndarray, middle: Array, steepness: Array
) -> tuple[Array, Array]:
    """(midpoints, steepnesses) log-likelihood, and (midpoints, steepnesses, depths) weights: counts p (1 - p)."""
    eta = steepness[None, :, None] * (middle[:, None, None] - log_depth)
    log_p, log_q = -np.logaddexp(0.0, -eta), -np.logaddexp(0.0, eta)
    return log_p @ wins + log_q @ (counts - wins), np.exp(log_p + log_q) * counts


def peak_height(surface: Array) -> Array:
    """(rows,) the maximum of each row, over steepness: through a parabola where the best of its grid has neighbours."""
    best = np.argmax(surface, axis=1)
    inner = np.clip(best, 1, surface.shape[1] - 2)
    left, top, right = (surface[np.arange(len(surface)), inner + k] for k in (-1, 0, 1))
    bend = np.minimum(left - 2 * top + right, -1e-12)
    return np.where(best == inner, top - (left - right) ** 2 / (8 * bend), surface.max(axis=1))
