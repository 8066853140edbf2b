"""Sizes of any network by running it on the meta device, where tensors have shapes and no values."""

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from skipray.architectures import Sizes
from skipray.architectures.building.own import two_samples
from skipray.torch_private import storage_key


def measured_sizes(build: Callable[[], nn.Module], input_shape: tuple[int, ...]) -> Sizes:
    """Count the parameters, and per sample the FLOPs of a forward pass and the bytes that autograd keeps of it.

    The difference between four samples and two: what is kept once per batch, such as a reparametrised weight, drops
    out, and batch normalization, which refuses a single sample, runs. A network that cannot run on the meta device (one
    that looks at values, or makes tensors of its own there) runs on the CPU.

    Raises:
        Exception: whatever its code raises on the CPU too.
    """
    try:
        with torch.device("meta"):
            return _measured(build, input_shape)
    except Exception:
        return _measured(build, input_shape)


def _measured(build: Callable[[], nn.Module], input_shape: tuple[int, ...]) -> Sizes:
    network = build()
    kind = two_samples(input_shape, like=torch.empty(0)).dtype
    few, many = (_forward(network, torch.zeros(samples, *input_shape, dtype=kind)) for samples in (2, 4))
    parameters = sum(p.numel() for p in network.parameters())
    return Sizes(parameters, (many[0] - few[0]) // 2, (many[1] - few[1]) // 2)


def _forward(network: nn.Module, batch: torch.Tensor) -> tuple[int, int]:
    """FLOPs, and the bytes of the distinct storages that autograd saves, parameters and buffers left out."""
    held = (tensor for tensor in (*network.parameters(), *network.buffers()) if tensor.layout is torch.strided)
    own = {storage_key(tensor.untyped_storage()) for tensor in held}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.layout is not torch.strided:  # one memory for the places, another one for the values
            return tensor
        storage = tensor.untyped_storage()
        if (key := storage_key(storage)) not in own:
            kept[key] = storage  # kept alive, so that no later storage gets its number
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(batch)
    return counter.get_total_flops(), sum(storage.nbytes() for storage in kept.values())
