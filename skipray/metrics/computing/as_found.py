"""Leaves a network as found: weights, buffers, mode, gradients, hooks, what it remembers in attributes, random numbers,
precision settings."""

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from skipray.metrics.computing.remembered import Remembered, is_plain
from skipray.torch_private import buffers_of, is_compiled, put_buffer


@contextmanager
def as_found(network: nn.Module) -> Iterator[None]:
    """Restores, also after an error, whatever a forward or backward pass in any mode may change.

    A forward pass in training mode moves batch norm's running statistics and draws dropout masks; a measurement must
    not. Inside, float32 products are done in float32 (no TF32, no autocast), parts that the network has compiled run
    without their graphs, which hooks would change, and the network is given copies: one that writes into its input
    would be measured on another input in each pass.
    """
    modules, parameters = list(network.modules()), list(network.parameters())
    buffers = [
        (module, name, buffer, None if buffer is None else buffer.clone())
        for module in modules
        for name, buffer in buffers_of(module).items()
    ]
    remembered = Remembered(network)
    requires = [(parameter, parameter.requires_grad) for parameter in parameters]
    devices = sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})
    matmul, convolution = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    kind = next((p.device.type for p in parameters), "cpu")
    given = network.register_forward_pre_hook(_copies, with_kwargs=True, prepend=True)
    try:
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        with torch.random.fork_rng(devices=devices), torch.autocast(kind, enabled=False), _graphs_left_out(modules):
            yield
    finally:
        given.remove()
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, convolution
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        for module, name, buffer, value in buffers:
            put_buffer(module, name, buffer)
            if buffer is None or value is None or not is_plain(buffer):  # torch cannot compare sparse ones
                continue
            if not torch.equal(buffer, value):
                with torch.no_grad():
                    buffer.copy_(value)
        remembered.put_back()
        for parameter, flag in requires:
            parameter.requires_grad_(flag)


def _graphs_left_out(modules: list[nn.Module]) -> AbstractContextManager[Any]:
    stance = getattr(torch.compiler, "set_stance", None)  # since torch 2.6
    return stance("force_eager") if stance is not None and any(map(is_compiled, modules)) else nullcontext()


def _copies(network: nn.Module, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The arguments of a pass with tensors of their own."""
    return (
        tuple(a.clone() if isinstance(a, torch.Tensor) else a for a in arguments),
        {n: a.clone() if isinstance(a, torch.Tensor) else a for n, a in named.items()},
    )
