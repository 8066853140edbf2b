"""Loss and accuracy of a network on a split, without changing the network."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from skipray.datasets import Images, Splits
from skipray.datasets._batches import batches
from skipray.datasets._partition import fixed_order, subset_size

INPUTS_PER_BATCH = 2**20
"""Numbers in an evaluation batch's input, about: 4096 digits, 341 images of CIFAR; large batches spare launches."""


@dataclass(frozen=True)
class Evaluation:
    loss: float
    """Mean cross-entropy, in nats; not finite where the network overflows."""
    accuracy: float


def evaluate(
    network: nn.Module,
    splits: Splits,
    part: str,
    *,
    whole: bool,
    autocast: AbstractContextManager[object] | None = None,
    tick: Callable[[], None] | None = None,
    workers: int = 1,
) -> Evaluation:
    """Loss and accuracy on `train`, `validation` or `test`, in the mode that the network is in.

    Args:
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
    with torch.no_grad():
        for x, y in batches(images, labels, index.tensor_split(-(-len(index) // size)), workers=workers):
            if tick:
                tick()
            with autocast or nullcontext():
                logits = network(splits.normalise(x))
            loss += cross_entropy(logits.float(), y, reduction="sum")
            correct += (logits.argmax(1) == y).sum()
    return Evaluation(float(loss) / len(index), int(correct) / len(index))


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
