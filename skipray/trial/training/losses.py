"""What training lowers, and what an epoch is judged by.

Axes: N samples, L positions, C classes (outputs). Scores are (N, C), or (N, L, C) where every position has a label;
targets are class numbers (N,) or (N, L), shares of classes (N, C), or values (N, C). A position whose label is IGNORED
counts nowhere.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional as F

from skipray.extension import catalog
from skipray.spec import Recipe
from skipray.spec.values import arguments

IGNORED = -100
"""Label of a position that is not predicted: padding, or the input's part of a sequence. torch's own."""
Objective = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(scores, targets) -> the mean loss of a batch."""


def training_loss(recipe: Recipe) -> Objective:
    """The loss whose gradient is followed."""
    if recipe.loss is None:
        return mean_cross_entropy
    options = arguments(recipe.loss)
    return partial(_function(recipe.loss["name"]), **options) if options else _function(recipe.loss["name"])


def judging_loss(recipe: Recipe) -> Objective:
    """The loss that records hold: the training loss without its label smoothing, so that recipes can be compared."""
    if recipe.loss is None or recipe.loss["name"] == "cross_entropy":
        return mean_cross_entropy
    return training_loss(recipe)


def probing_loss(recipe: Recipe, labels: torch.Tensor) -> Objective | None:
    """The loss whose gradients are probed; None for the cross-entropy of one class for each sample, of whose gradients
    the probe knows the ranks."""
    objective = judging_loss(recipe)
    plain = objective is mean_cross_entropy and labels.ndim == 1 and not labels.is_floating_point()
    return None if plain else objective


def mean_cross_entropy(scores: torch.Tensor, targets: torch.Tensor, *, label_smoothing: float = 0.0) -> torch.Tensor:
    """Mean over the samples, or over all positions that have a label."""
    if scores.ndim > 2 and targets.ndim == scores.ndim - 1:
        scores, targets = scores.flatten(0, -2), targets.flatten()
    return F.cross_entropy(scores, targets, label_smoothing=label_smoothing, ignore_index=IGNORED)


def mean_binary(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of each class against all others, mean over samples and classes (Beyer et al. 2020)."""
    scores, targets = _as_shares(scores, targets)
    return F.binary_cross_entropy_with_logits(scores, targets)


def mean_square(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean squared error over samples and outputs; of classes against 0 and 1 (Hui and Belkin 2021)."""
    scores, targets = _as_shares(scores, targets)
    return F.mse_loss(scores, targets)


def _as_shares(scores: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Class numbers as 0 and 1 for each class; what is ignored left out."""
    if targets.is_floating_point():
        return scores, targets.to(scores.dtype)
    scores, targets = scores.flatten(0, -2), targets.flatten()
    kept = targets != IGNORED
    if not bool(kept.all()):
        scores, targets = scores[kept], targets[kept]
    return scores, F.one_hot(targets, scores.shape[-1]).to(scores.dtype)


def _function(name: str) -> Objective:
    own = {"cross_entropy": mean_cross_entropy, "binary": mean_binary, "mse": mean_square}
    return own[name] if name in own else catalog.find("loss", name)


def counted_by_sample(targets: torch.Tensor) -> torch.Tensor:
    """How many of each sample's labels by position count, (N,) on the CPU."""
    return (targets != IGNORED).flatten(1).sum(1).cpu()


def labelled_alike(labels: torch.Tensor) -> bool:
    """Whether every sample has as many labels that count, at least one."""
    if labels.ndim == 1 or labels.is_floating_point():
        return True
    counts = counted_by_sample(labels)
    return bool((counts == counts[0]).all()) and int(counts[0]) > 0


def counted(targets: torch.Tensor) -> int:
    """How many labels of a batch count."""
    return len(targets) if targets.ndim == 1 or targets.is_floating_point() else int((targets != IGNORED).sum())
