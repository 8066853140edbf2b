"""The passes of a whole network."""

from collections.abc import Iterator

from torch import nn

from skipray.architectures.building.linear_maps import GroupedLinear
from skipray.architectures.building.network import Activated, Network, Stem
from skipray.architectures.building.passes import ChainPass, NoPass, Pass
from skipray.architectures.building.passes.blocks import Maker
from skipray.architectures.building.passes.functions import functions
from skipray.architectures.building.passes.loss import cross_entropy
from skipray.architectures.building.passes.running import Passes
from skipray.architectures.building.passes.small import MeanPass, PoolPass
from skipray.architectures.building.passes.text import segment, written
from skipray.torch_private import is_watched

ORDERS = ("post", "pre")
"""Whose blocks have passes of their own."""


def passes_of(network: nn.Module, *, ignored: int = -100) -> Passes | None:
    """What a step of training runs in place of the network; `ignored` is the label that counts nowhere.

    None where it would be no faster or something else: for a network that is not of skipray's blocks, or has a part or
    an activation of another kind, on another device than a CPU, whose parameters are not all trained or serve two
    layers, or which has hooks; for a torch without these kernels.
    """
    if type(network) is not Network or network.outline.order not in ORDERS:
        return None
    if any(p.device.type != "cpu" or not p.requires_grad for p in network.parameters()) or is_watched(network):
        return None
    try:
        parts = [
            segment(part.forward, part.backward)
            for part in _parts(network, Maker(network.outline, in_rows=_lies_in_rows(network)))
        ]
    except NoPass:
        return None
    whole = written(parts, cross_entropy(ignored))
    shared = len({id(parameter) for parameter in whole.given}) < len(whole.given)
    found = None if shared else functions(whole.text)
    return None if found is None else Passes(whole, found, flat=network.is_flat)


def _lies_in_rows(network: Network) -> bool:
    """Whether all that its layers give, forward and back, lies row by row in memory: (samples, units).

    Where a group has one unit, its batched products put units before samples.
    """
    groups = [module for module in network.modules() if isinstance(module, GroupedLinear)]
    narrow = any(1 in (g.weight.shape[1], g.weight.shape[0] // g.groups) for g in groups)
    return network.is_flat and not narrow


def _parts(network: Network, make: Maker) -> Iterator[Pass]:
    yield from _of_stem(network.stem, make)
    for block in network.blocks:
        yield make.block(block)
    if network.head is not None:
        yield _of_activated(network.head, make)
    if not network.is_flat:
        yield MeanPass()
    yield make.layer(network.classifier)


def _of_stem(stem: nn.Module, make: Maker) -> Iterator[Pass]:
    if type(stem) is not Stem:
        raise NoPass
    yield make.layer(stem.layer, first=True)
    if stem.activated is not None:
        yield _of_activated(stem.activated, make)
    if stem.pool:
        yield PoolPass()


def _of_activated(activated: nn.Module, make: Maker) -> Pass:
    if type(activated) is not Activated:
        raise NoPass
    return ChainPass([*make.norm(activated.norm), make.activation(in_place=activated.norm is not None)])
