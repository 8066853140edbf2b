"""The passes of a whole network, as a function that autograd can differentiate."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from skipray.architectures.building.network import Activated, Network, Stem
from skipray.architectures.building.passes import ByAutograd, ChainPass, NoPass, Pass
from skipray.architectures.building.passes.blocks import Maker
from skipray.torch_private import backward_kernels, is_watched

ORDERS = ("post", "pre")
"""Whose blocks have passes of their own."""


def passes_of(network: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """Inputs to logits as the network has them in training, with the same gradients, for one step at a time.

    None where it would be no faster or something else: for a network that is not of skipray's blocks, or has a part or
    an activation of another kind, on another device than a CPU, whose parameters are not all trained, or which has
    hooks; for a torch without these kernels.
    """
    kernels = backward_kernels()
    if type(network) is not Network or network.outline.order not in ORDERS or kernels is None:
        return None
    if any(p.device.type != "cpu" or not p.requires_grad for p in network.parameters()) or is_watched(network):
        return None
    try:
        return _Whole(ChainPass(_parts(network, Maker(network.outline, kernels))), flat=network.is_flat)
    except NoPass:
        return None


def _parts(network: Network, make: Maker) -> Iterator[Pass]:
    yield from _of_stem(network.stem, make)
    for block in network.blocks:
        yield make.block(block)
    if network.head is not None:
        yield from _of_activated(network.head, make)
    if not network.is_flat:
        yield ByAutograd(network.over_space)
    yield make.layer(network.classifier)


def _of_stem(stem: nn.Module, make: Maker) -> list[Pass]:
    if type(stem) is not Stem:
        raise NoPass
    parts = [make.layer(stem.layer, first=True)]
    if stem.activated is not None:
        parts += _of_activated(stem.activated, make)
    return [*parts, ByAutograd(stem.pooled)] if stem.pool else parts


def _of_activated(activated: nn.Module, make: Maker) -> list[Pass]:
    if type(activated) is not Activated:
        raise NoPass
    return [*make.norm(activated.norm), make.activation(in_place=activated.norm is not None)]


class _Whole:
    def __init__(self, chain: ChainPass, *, flat: bool):
        self.chain, self.flat = chain, flat
        self._anchor = torch.zeros((), requires_grad=True)

    def __call__(self, x: Tensor) -> Tensor:
        scores: Tensor = _Run.apply(self._anchor, x.flatten(1) if self.flat else x, self.chain)
        return scores


class _Run(torch.autograd.Function):
    """One node of autograd's graph for the whole network; the anchor is what makes its output need a gradient."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, x: Tensor, chain: ChainPass) -> Tensor:
        ctx.chain = chain
        return chain.forward(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        with torch.no_grad():
            ctx.chain.backward(gradients[0])
        return None, None, None
