"""The modes that a network is measured in, each for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from skipray.torch_private import STATISTICS_NORMS


def keeps_statistics(module: nn.Module) -> bool:
    """Whether a layer takes the batch's own statistics in training and running ones in evaluation: a normalization of
    torch's, or one of the user's own that calls its buffer as torch does."""
    own = {name for name, _ in module.named_buffers(recurse=False)}
    return isinstance(module, STATISTICS_NORMS) or "running_mean" in own


@contextmanager
def evaluation_mode(network: nn.Module, *, batch_statistics: bool = False) -> Iterator[None]:
    """Evaluation mode for a while; modes and buffers are left as they were found.

    Args:
        batch_statistics: normalizations take the batch's own statistics, for a network whose running statistics are
            still the identity (before the first step). Nothing else is as in training: no dropout, no branch left out.
    """
    modes = [(module, module.training) for module in network.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()] if batch_statistics else []
    network.eval()
    if batch_statistics:
        for module in network.modules():
            if keeps_statistics(module):
                module.train()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


@contextmanager
def training_mode(network: nn.Module) -> Iterator[None]:
    """Training mode for a while; modes are left as they were found."""
    modes = [(module, module.training) for module in network.modules()]
    network.train()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
