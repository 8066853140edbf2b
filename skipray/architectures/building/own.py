"""A family's network as it is constructed, before its scheme sets it: what a user's own code may do there."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from skipray.extension import own_code
from skipray.spec import ModelSpec
from skipray.spec.shapes import TokenShape


def constructed(
    family: Any, model: ModelSpec, input_shape: tuple[int, ...], classes: int, seed: int | None
) -> nn.Module:
    """The network as its family builds it, its lazy layers made by a pass of two samples.

    Random numbers that are drawn on the way follow from the seed. torch's generators are left as they were.

    Raises:
        ValueError: a user's own family ended the process, or has parameters of a type that is not trained.
        TypeError: it built something else than a network.
    """
    own = ":" in model.architecture
    with torch.random.fork_rng(devices=[], enabled=own):
        if own and seed is not None:
            torch.manual_seed(seed)
        try:
            network = family.build(model, input_shape, classes)
        except SystemExit as leaving:
            place = own_code.place_of(leaving)
            said = f"{model.architecture}: build ended the process ({leaving!r}); allowed: a network"
            raise ValueError(f"{place}: {said}" if place else said) from None
        if not isinstance(network, nn.Module):
            kind = type(network).__name__
            raise TypeError(f"{model.architecture}: build returned a {kind}; allowed: a torch.nn.Module")
        if own and any(is_lazy(p) for p in (*network.parameters(), *network.buffers())):
            training = network.training
            with torch.no_grad():
                network.eval()(two_samples(input_shape, like=torch.empty(0)))
            network.train(training)
    if own:
        _check_types(model, network)
    return network


def two_samples(input_shape: tuple[int, ...], *, like: torch.Tensor) -> torch.Tensor:
    """An input of two samples of the data's shape and type, on the device of `like`."""
    if isinstance(input_shape, TokenShape):
        token = 1 if input_shape.padding == 0 else 0  # no sequence is of padding alone
        return torch.full((2, *input_shape), token, dtype=torch.int64, device=like.device)
    return torch.zeros(2, *input_shape, dtype=torch.float32, device=like.device)


def _check_types(model: ModelSpec, network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        if parameter.dtype != torch.float32:
            found = str(parameter.dtype).removeprefix("torch.")
            raise ValueError(
                f"{model.architecture}: found the parameter {name} of {found}; allowed: float32 "
                "(recipe.precision says what it is computed in)"
            )
