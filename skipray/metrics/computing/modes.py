"""The modes that a network is measured in, each for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from skipray.torch_private import BATCH_NORMS, STATISTICS_NORMS


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
            One value a channel, as a split of one sample may give, has no statistics, and is taken as it is by torch's
            own batch normalization, which would refuse it.
    """
    if not batch_statistics:
        with _modes_kept(network):
            network.eval()
            yield
        return
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    norms = [module for module in network.modules() if keeps_statistics(module)]
    checking = [norm for norm in norms if isinstance(norm, BATCH_NORMS) and not hasattr(norm, "takes_one_value")]
    with _modes_kept(network):
        network.eval()
        for norm in norms:
            norm.train()
        hooks = [norm.register_forward_pre_hook(_by_values) for norm in checking]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            with torch.no_grad():
                for buffer, value in buffers:
                    buffer.copy_(value)


def _by_values(norm: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
    norm.train(arguments[0].numel() > arguments[0].shape[1])


@contextmanager
def training_mode(network: nn.Module) -> Iterator[None]:
    """Training mode for a while; modes and parameters are left as they were found."""
    with _modes_kept(network), parameters_kept(network):
        network.train()
        yield


@contextmanager
def parameters_kept(network: nn.Module) -> Iterator[None]:
    """Parameters are as before afterwards: a pass of training may write them itself, as averages of others or weights
    that are kept within bounds. Costs a copy of each."""
    before = [(parameter, parameter.detach().clone()) for parameter in network.parameters()]
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in before:
                if not torch.equal(parameter, value):
                    parameter.copy_(value)


@contextmanager
def _modes_kept(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
