"""Passes of a network that draws random numbers in evaluation too, each with the same draws."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
            torch.default_generator.manual_seed(seed)
            for one in own:
                with torch.get_device_module(one).device(one):
                    torch.get_device_module(one).manual_seed(seed)
        yield
