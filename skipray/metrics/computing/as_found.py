"""Leaves a network as found: weights, buffers, mode, gradients, hooks, random numbers, precision settings."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from skipray.torch_private import OWN_STATE, buffers_of, put_buffer


@contextmanager
def as_found(network: nn.Module) -> Iterator[None]:
    """Restores, also after an error, whatever a forward or backward pass in any mode may change.

    A forward pass in training mode moves batch norm's running statistics and draws dropout masks; a measurement must
    not. Inside, float32 products are done in float32 (no TF32, no autocast), and the network is given copies: one that
    writes into its input would be measured on another input in each pass.
    """
    modules, parameters = list(network.modules()), list(network.parameters())
    buffers = [
        (module, name, buffer, None if buffer is None else buffer.clone())
        for module in modules
        for name, buffer in buffers_of(module).items()
    ]
    attributes = [(module, *_plain_attributes(module)) for module in modules]
    requires = [(parameter, parameter.requires_grad) for parameter in parameters]
    devices = sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})
    matmul, convolution = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    kind = next((p.device.type for p in parameters), "cpu")
    given = network.register_forward_pre_hook(_copies, with_kwargs=True, prepend=True)
    try:
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        with torch.random.fork_rng(devices=devices), torch.autocast(kind, enabled=False):
            yield
    finally:
        given.remove()
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, convolution
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        for module, name, buffer, value in buffers:
            put_buffer(module, name, buffer)
            if buffer is not None and value is not None and not torch.equal(buffer, value):
                with torch.no_grad():
                    buffer.copy_(value)
        for module, plain, contents in attributes:
            _restore(module, plain, contents)
        for parameter, flag in requires:
            parameter.requires_grad_(flag)


def _copies(network: nn.Module, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The arguments of a pass with tensors of their own."""
    return (
        tuple(a.clone() if isinstance(a, torch.Tensor) else a for a in arguments),
        {n: a.clone() if isinstance(a, torch.Tensor) else a for n, a in named.items()},
    )


_HOLDERS = frozenset((list, dict, set))
Contents = dict[str, list[Any] | dict[Any, Any] | set[Any]]


def _plain_attributes(module: nn.Module) -> tuple[dict[str, Any], Contents]:
    """The attributes that a forward pass may set, the mode among them, and what their lists, mappings and sets hold."""
    plain = vars(module).copy()
    for name in OWN_STATE:
        plain.pop(name, None)
    return plain, {n: v.copy() for n, v in plain.items() if type(v) in _HOLDERS}


def _restore(module: nn.Module, plain: dict[str, Any], contents: Contents) -> None:
    own = vars(module)
    for name in own.keys() - plain.keys() - set(OWN_STATE):
        del own[name]
    for name, value in plain.items():
        if own.get(name) is not value or name not in own:
            own[name] = value
    for name, held in contents.items():
        value = own[name]
        if value != held:
            value.clear()
            value.extend(held) if isinstance(value, list) else value.update(held)
