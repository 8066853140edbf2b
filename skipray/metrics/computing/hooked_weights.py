"""Weights that a hook makes of others before each pass: `torch.nn.utils.weight_norm` and `spectral_norm`, which are
older than `torch.nn.utils.parametrizations`, and `torch.nn.utils.prune`."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def hooked(module: nn.Module) -> dict[str, tuple[str, ...]]:
    """Name of each weight that a hook makes -> the names of the parameters that it is made of."""
    own = {name for name, _ in module.named_parameters(recurse=False)}
    found = {}
    for name in own:
        base, _, ending = name.rpartition("_")
        of = {"orig": (name,), "g": (name, f"{base}_v")}.get(ending, ())
        if of and own.issuperset(of) and base not in own and isinstance(vars(module).get(base), Tensor):
            found[base] = of
    return dict(sorted(found.items()))


def acting_tensors(network: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Name in the network, module and attribute of each parameter, and in place of what parametrizations and hooks make
    others of, of what they make. One that is made is made anew at each look."""
    for prefix, module in network.named_modules():
        if "parametrizations" in prefix.split("."):
            continue
        by_hooks = hooked(module)
        originals = {name for of in by_hooks.values() for name in of}
        own = [name for name, _ in module.named_parameters(recurse=False) if name not in originals]
        made: Any = module.parametrizations if parametrize.is_parametrized(module) else ()
        for name in (*own, *by_hooks, *made):
            yield f"{prefix}.{name}" if prefix else name, module, name


def put_original(module: nn.Module, name: str, value: Tensor) -> None:
    """Give what a hook makes a weight of such values that it makes this one, or, where it divides by the spectral norm,
    this one divided by its own; a mask stays."""
    made, buffers = hooked(module)[name], dict(module.named_buffers(recurse=False))
    original: Tensor = getattr(module, made[-1])
    with torch.no_grad():
        original.copy_(value)
        if len(made) == 2:
            gain: Tensor = getattr(module, made[0])
            gain.copy_(torch.linalg.vector_norm(original, dim=_axes(gain), keepdim=bool(gain.ndim)))
        if f"{name}_u" in buffers and f"{name}_v" in buffers:
            left, right = buffers[f"{name}_u"], buffers[f"{name}_v"]
            rows = _rows(module, original)
            if rows.shape == (len(left), len(right)):
                u, _, v = torch.linalg.svd(rows.double(), full_matrices=False)
                left.copy_(u[:, 0])
                right.copy_(v[0])
        setattr(module, name, acting(module, name))


def _axes(gain: Tensor) -> list[int] | None:
    return [axis for axis, size in enumerate(gain.shape) if size == 1] if gain.ndim else None


def _rows(module: nn.Module, weight: Tensor) -> Tensor:
    """The matrix whose spectral norm is divided by, its outputs first."""
    return (weight.transpose(0, 1) if isinstance(module, TRANSPOSED) else weight).flatten(1)


def acting(module: nn.Module, name: str) -> Tensor:
    """The weight that the next pass in evaluation mode makes: that of the last one is older than a step."""
    made = hooked(module)[name]
    original: Tensor = getattr(module, made[-1])
    others: dict[str, Tensor] = dict(module.named_buffers(recurse=False))
    if len(made) == 2:
        gain: Tensor = getattr(module, made[0])
        return original * (gain / torch.linalg.vector_norm(original, dim=_axes(gain), keepdim=bool(gain.ndim)))
    if f"{name}_mask" in others:
        return original * others[f"{name}_mask"]
    if f"{name}_u" in others and f"{name}_v" in others:
        rows = _rows(module, original)
        left, right = others[f"{name}_u"], others[f"{name}_v"]
        if rows.shape == (len(left), len(right)):
            return original / (left @ rows @ right)
    last: Tensor = getattr(module, name)
    return last
