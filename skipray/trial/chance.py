"""What the best constant answer would get: the level that `trained` is judged from."""

import numpy as np

from skipray.datasets import Splits
from skipray.spec import Recipe
from skipray.trial.training.losses import IGNORED, judging_loss, mean_cross_entropy


def chance(splits: Splits, recipe: Recipe) -> dict[str, float]:
    """On the training split: `chance.accuracy`, the share of its most frequent class, and `chance.loss`, the entropy of
    its classes in nats, where the loss is a cross-entropy. Nothing where there are no classes."""
    labels = splits.train_y
    if labels.is_floating_point():
        return {}
    labels = labels.flatten()
    counts = labels[labels != IGNORED].bincount().double().cpu().numpy()
    shares = counts[counts > 0] / counts.sum()
    found = {"chance.accuracy": float(shares.max())}
    if judging_loss(recipe) is mean_cross_entropy:
        found["chance.loss"] = float(-(shares * np.log(shares)).sum())
    return found
