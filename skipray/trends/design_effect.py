"""How much wider an interval has to be because trials of one seed may have something in common."""

import numpy as np
from scipy.special import chdtri, ndtri, stdtrit

from skipray.curves import Array

CHI_SQUARE_95 = float(chdtri(1, 0.05))
"""Fall of twice the log-likelihood inside a 95 % interval of one parameter, where trials are independent."""


def design_effect(slopes: Array, p: Array, y: np.ndarray, seeds: np.ndarray | None, which: int) -> float:
    """How much larger the variance of one parameter of a logistic regression is than that of independent trials, at
    least 1; the more of it is the seeds', the more of t's wider quantile on seeds - 1 degrees of freedom comes on top.

    Args:
        slopes: (parameters, trials) derivatives of the linear predictor.
        p: (trials,) fitted probabilities.
        y: (trials,) what was seen.
        seeds: (trials,) or None, for independent trials.
        which: the parameter.
    """
    effect = seed_effect(slopes, p, y, seeds, which)
    freedom = 1 if seeds is None else len(np.unique(seeds)) - 1
    return cut(0.025, effect, freedom) / CHI_SQUARE_95


def cut(tail: float, effect: float, freedom: int) -> float:
    """Fall of twice the log-likelihood at the bound that the truth lies beyond with this probability, on one side.

    Args:
        effect: of the seeds, as `seed_effect` gives it.
        freedom: seeds - 1.
    """
    alone = float(ndtri(tail)) ** 2
    return alone if effect <= 1 else alone + (effect - 1) * float(stdtrit(freedom, tail)) ** 2


def seed_effect(slopes: Array, p: Array, y: np.ndarray, seeds: np.ndarray | None, which: int) -> float:
    """The sandwich variance over seeds of one parameter over that of independent trials, at least 1; arguments as of
    `design_effect`."""
    if seeds is None or len(np.unique(seeds)) < 2:
        return 1.0
    names, cluster = np.unique(seeds, return_inverse=True)
    information = (slopes * p * (1 - p)) @ slopes.T
    scores = np.stack([np.bincount(cluster, row * (y - p)) for row in slopes])
    inverse = np.linalg.pinv(information)
    moves = inverse[which] @ scores
    moves -= moves.mean()
    robust = len(names) / (len(names) - 1) * float(moves @ moves)
    return max(1.0, robust / max(float(inverse[which, which]), 1e-300))
