"""Which parameters of a network a scheme sets, whatever they are: layers, parametrised layers, attention, others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import nn

Rule = Literal["scheme", "zero", "module", "none"]
"""scheme: a weight that the scheme fills. zero: a bias. module: set by the module's own `reset_parameters`. none: left
with the value that it was built with."""


LOOKS = 15
"""As many as torch takes where it makes a spectral norm."""


@dataclass(frozen=True)
class Reached:
    """A parameter, or a module's own, and how it is set."""

    name: str
    """Of the parameter in the network; for rule `module` of the module."""
    module: nn.Module
    rule: Rule
    pieces: int = 1
    """Matrices of equal shape that lie one below the other in the parameter: queries, keys and values."""


def parts(network: nn.Module) -> Iterator[Reached]:
    """Every parameter of a network once, in the order of its modules."""
    from torch import nn
    from torch.nn.utils import parametrize

    from skipray.metrics.computing.hooked_weights import hooked
    from skipray.torch_private import STATISTICS_NORMS

    norms: tuple[type[nn.Module], ...] = (*STATISTICS_NORMS, nn.LayerNorm, nn.GroupNorm)
    for name, module in network.named_modules():
        if isinstance(module, parametrize.ParametrizationList):
            continue  # the module that it belongs to sets it
        own = [key for key, _ in module.named_parameters(recurse=False)]
        parametrised = list(module.parametrizations) if parametrize.is_parametrized(module) else []
        by_hooks = hooked(module)
        own = [key for key in own if not any(key in originals for originals in by_hooks.values())]
        parametrised += by_hooks
        if isinstance(module, norms):
            yield Reached(name, module, "module")
        elif isinstance(module, nn.MultiheadAttention):
            yield from _attention(name, module, own)
        elif is_linear_map(module) and "weight" in (*own, *parametrised):
            rest = set(own) - {"weight", "bias"}
            if rest and hasattr(module, "reset_parameters"):
                yield Reached(name, module, "module")
            for key in (*own, *parametrised):
                rule: Rule = "scheme" if key == "weight" else "zero" if key == "bias" else "none"
                if rule != "none" or not hasattr(module, "reset_parameters"):
                    yield Reached(_join(name, key), module, rule)
        elif own and hasattr(module, "reset_parameters") and not parametrised:
            yield Reached(name, module, "module")
        else:
            for key in (*own, *parametrised):
                yield Reached(_join(name, key), module, "none")


def _attention(name: str, module: nn.MultiheadAttention, own: list[str]) -> Iterator[Reached]:
    for key in own:
        if key == "in_proj_weight":
            yield Reached(_join(name, key), module, "scheme", pieces=3)
        elif key.endswith("_proj_weight"):
            yield Reached(_join(name, key), module, "scheme")
        else:
            yield Reached(_join(name, key), module, "zero" if key == "in_proj_bias" else "none")


def left_as_built(network: nn.Module) -> tuple[str, ...]:
    """Names of the parameters that no scheme reaches."""
    return tuple(part.name for part in parts(network) if part.rule == "none")


def is_linear_map(module: nn.Module) -> bool:
    """Linear and convolutional layers, and ours that act as one: a weight of (outputs, inputs / groups, ...)."""
    from torch import nn

    from skipray.torch_private import CONVOLUTIONS

    return isinstance(module, (nn.Linear, *CONVOLUTIONS)) or getattr(module, "is_linear_map", False)


def put(part: Reached, value: torch.Tensor) -> bool:
    """Give a parameter its value, through its parametrization or hook where it has one; whether that could be done."""
    from torch.nn.utils import parametrize

    from skipray.metrics.computing.hooked_weights import hooked, put_original

    key = part.name.rpartition(".")[2]
    if key in hooked(part.module):
        put_original(part.module, key, value)
        return True
    if not parametrize.is_parametrized(part.module, key):
        part.module.get_parameter(key).copy_(value)
        return True
    try:
        setattr(part.module, key, value.to(getattr(part.module, key)))
    except (NotImplementedError, RuntimeError, ValueError):
        return False  # a parametrization without an inverse
    _follow(part.module, key)
    return True


def _follow(module: nn.Module, key: str) -> None:
    """Let what a parametrization keeps of its weight, such as the vectors of spectral norm, follow the new one: in
    training mode it does so at each look."""
    made: nn.Module = module.parametrizations[key]  # type: ignore[assignment, index]
    if next(made.buffers(), None) is None:
        return
    modes = [(inner, inner.training) for inner in made.modules()]
    made.train()
    for _ in range(LOOKS):
        getattr(module, key)
    for inner, training in modes:
        inner.training = training


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
