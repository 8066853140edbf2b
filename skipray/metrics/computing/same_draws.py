"""Passes of a network that draws random numbers in evaluation too, each with the same draws."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def same_draws(device: torch.device, seed: int | None) -> Iterator[None]:
    """What torch draws within begins at the seed, and goes on as before behind it.

    Two passes that are compared then differ in what was done to the network alone. Draws of other generators, numpy's
    among them, are the network's own affair.

    Args:
        device: of the network: its generator is set beside the processor's.
        seed: None where draws only must not move those behind.
    """
    own = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(devices=own, device_type=device.type if own else "cuda"):
        if seed is not None:
            _begin(device, seed)
        yield


@contextmanager
def each_pass_alike(network: nn.Module, device: torch.device, seed: int) -> Iterator[None]:
    """Within, every pass of the network begins its draws at the seed, whoever calls it; behind, draws go on as before.

    Args:
        device: as of `same_draws`.
    """

    def begin(module: nn.Module, given: object) -> None:
        _begin(device, seed)

    hook = network.register_forward_pre_hook(begin)
    try:
        with same_draws(device, None):
            yield
    finally:
        hook.remove()


def _begin(device: torch.device, seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        with torch.get_device_module(device).device(device):
            torch.get_device_module(device).manual_seed(seed)
