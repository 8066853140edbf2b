"""Loss and accuracy of a network on a split, without changing the network."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from skipray.datasets import Images, Splits
from skipray.datasets._batches import batches
from skipray.datasets._partition import fixed_order, subset_size
from skipray.trial.training.losses import Objective, counted, mean_cross_entropy, right

INPUTS_PER_BATCH = 2**20
"""Numbers in an evaluation batch's input, about: 4096 digits, 341 images of CIFAR; large batches spare launches."""


@dataclass(frozen=True)
class Evaluation:
    loss: float
    """Mean loss (cross-entropy in nats where the recipe has no other); not finite where the network overflows."""
    accuracy: float
    """Share of the labels that are named rightly; NaN where there are no classes."""


def evaluate(
    network: nn.Module,
    splits: Splits,
    part: str,
    *,
    whole: bool,
    objective: Objective = mean_cross_entropy,
    autocast: AbstractContextManager[object] | None = None,
    tick: Callable[[], None] | None = None,
    workers: int = 1,
) -> Evaluation:
    """Loss and accuracy on `train`, `validation` or `test`, in the mode that the network is in.

    Args:
        objective: mean loss of a batch.
        whole: all samples; else at most `subset_size` of them, the same in every trial.
        tick: called before each batch; may raise.
        workers: processes that decode images which are read while they are used.
    """
    images: Images = getattr(splits, f"{part}_x")
    labels: torch.Tensor = getattr(splits, f"{part}_y")
    index = torch.arange(len(labels))
    if not whole:
        chosen = fixed_order("evaluation", len(labels))[: subset_size(len(splits.train_y))]
        index = torch.from_numpy(chosen).sort().values
    index = index.to(labels.device)
    size = max(64, INPUTS_PER_BATCH // images[index[:1]].numel())
    loss = torch.zeros((), dtype=torch.float64, device=labels.device)
    correct = torch.zeros((), dtype=torch.int64, device=labels.device)
    count = 0
    has_classes = not labels.is_floating_point()
    with torch.no_grad():
        for x, y in batches(images, labels, index.tensor_split(-(-len(index) // size)), workers=workers):
            if tick:
                tick()
            with autocast or nullcontext():
                scores = network(splits.normalise(x))
            labelled = counted(y)
            count += labelled
            if not labelled:
                continue
            if objective is mean_cross_entropy and y.ndim == 1:
                loss += cross_entropy(scores.float(), y, reduction="sum")
            else:
                loss += objective(scores.float(), y).double() * labelled
            if has_classes:
                correct += right(scores, y)
    return Evaluation(float(loss) / count, int(correct) / count if has_classes else math.nan)


@contextmanager
def evaluation_mode(network: nn.Module, *, batch_statistics: bool = False) -> Iterator[None]:
    """Evaluation mode for a while; modes and buffers are left as they were found.

    Args:
        batch_statistics: batch normalization takes the batch's own statistics, for a network whose running statistics
            are still the identity (before the first step).
    """
    modes = [(module, module.training) for module in network.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()] if batch_statistics else []
    network.eval()
    if batch_statistics:
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
