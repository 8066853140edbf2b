"""What the best constant answer would get: the level that `trained` is judged from."""

import math
from collections.abc import Callable

import numpy as np
import torch

from skipray.datasets import Splits
from skipray.records import CHANCE_LOSS, CHANCE_SCORE
from skipray.spec import Recipe
from skipray.trial.training.losses import IGNORED, judging_loss, mean_binary, mean_cross_entropy, mean_square

SEARCH_STEPS = 100
"""Of the search for the best constant answer to a loss of one's own."""


def chance(splits: Splits, recipe: Recipe) -> dict[str, float]:
    """On the training split: `chance.accuracy`, the share of its most frequent class, and `chance.loss`, the entropy of
    its classes in nats, where the loss is a cross-entropy. Of values `chance.loss` alone."""
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
    """What the best constant answer to the training split's values costs: their mean, of `binary` the logits of their
    means, of a loss of one's own what is found from their mean on."""
    values, loss = splits.train_y, judging_loss(recipe)
    means = values.double().mean(0, keepdim=True)

    def cost(answer: torch.Tensor) -> torch.Tensor:
        return loss(answer.expand_as(values).to(values.dtype), values)

    if loss is mean_binary:
        return float((torch.special.entr(means) + torch.special.entr(1 - means)).mean())
    with torch.no_grad():
        of_means = float(cost(means))
    return of_means if loss is mean_square else min(of_means, _lowest(cost, means))


def _lowest(cost: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor) -> float:
    """The lowest cost that a search from an answer finds; infinite where there is none to find."""
    answer = start.clone().requires_grad_()
    search = torch.optim.LBFGS([answer], max_iter=SEARCH_STEPS, line_search_fn="strong_wolfe")

    def at() -> torch.Tensor:
        search.zero_grad()
        found = cost(answer)
        found.backward()
        return found

    try:
        with torch.enable_grad():
            search.step(at)
        with torch.no_grad():
            found = float(cost(answer))
    except Exception:  # a loss of one's own may raise anywhere but at real scores
        return math.inf
    return found if math.isfinite(found) else math.inf
