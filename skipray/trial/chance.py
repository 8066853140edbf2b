"""What the best constant answer would get: the level that `trained` is judged from."""

import numpy as np

from skipray.datasets import Splits
from skipray.records import CHANCE_LOSS, CHANCE_SCORE
from skipray.spec import Recipe
from skipray.trial.training.losses import IGNORED, judging_loss, mean_cross_entropy


def chance(splits: Splits, recipe: Recipe) -> dict[str, float]:
    """On the training split: `chance.accuracy`, the share of its most frequent class, and `chance.loss`, the entropy of
    its classes in nats, where the loss is a cross-entropy. Of values the loss of their mean alone."""
    labels = splits.train_y
    if labels.is_floating_point():
        return {CHANCE_LOSS: constant_loss(splits, recipe)}
    labels = labels.flatten()
    counts = labels[labels != IGNORED].bincount().double().cpu().numpy()
    shares = counts[counts > 0] / counts.sum()
    found = {CHANCE_SCORE: float(shares.max())}
    if judging_loss(recipe) is mean_cross_entropy:
        found[CHANCE_LOSS] = float(-(shares * np.log(shares)).sum())
    return found


def constant_loss(splits: Splits, recipe: Recipe) -> float:
    """What answering with the mean of the training split's values costs."""
    values = splits.train_y
    answer = values.double().mean(0, keepdim=True).expand_as(values).to(values.dtype)
    return float(judging_loss(recipe)(answer, values))
