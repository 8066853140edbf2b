"""How much wider an interval has to be because trials of one seed may have something in common."""

import numpy as np
from scipy.special import chdtri, stdtrit

from skipray.curves import Array

CHI_SQUARE_95 = float(chdtri(1, 0.05))
"""Fall of twice the log-likelihood inside a 95 % interval of one parameter, where trials are independent."""


def design_effect(slopes: Array, p: Array, y: np.ndarray, seeds: np.ndarray | None, which: int) -> float:
    """How much larger the variance of one parameter of a logistic regression is than that of independent trials: the
    sandwich over seeds, at least 1. The more of it is the seeds', the more of t's wider quantile on seeds - 1 degrees
    of freedom comes on top.

    Args:
        slopes: (parameters, trials) derivatives of the linear predictor.
        p: (trials,) fitted probabilities.
        y: (trials,) what was seen.
        seeds: (trials,) or None, for independent trials.
        which: the parameter.
    """
    if seeds is None or len(np.unique(seeds)) < 2:
        return 1.0
    names, cluster = np.unique(seeds, return_inverse=True)
    information = (slopes * p * (1 - p)) @ slopes.T
    scores = np.stack([np.bincount(cluster, row * (y - p)) for row in slopes])
    inverse = np.linalg.pinv(information)
    moves = inverse[which] @ scores
    moves -= moves.mean()
    robust = len(names) / (len(names) - 1) * float(moves @ moves)
    effect = max(1.0, robust / max(float(inverse[which, which]), 1e-300))
    wider = float(stdtrit(len(names) - 1, 0.975)) ** 2 / CHI_SQUARE_95
    return effect * (1 + (wider - 1) * (1 - 1 / effect))
