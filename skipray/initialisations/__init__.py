"""Initial values, one scheme per file; the file's name is the name in the YAML.

A scheme is a file with `fill(weight, layer, generator)`, which sets the weight of one linear or convolutional layer,
and, where they are needed, `fill_bias(bias, layer, generator)` for that layer's bias, which is 0 or Gaussian without,
`check(model)`, which raises `Refused`, and `finish(network, model)` or `finish(network, model, generator)`, whose
generator follows from the trial's seed. `TAKES_GAIN = True`
says that it reads the model's `weight_gain`; `AS_BUILT = True`, in place of `fill`, that it sets nothing. One whose
weights are independent or orthogonal has `sigma_w_squared(model)`: fan_in times the variance of an entry of a wide
layer between equal widths.

Every parameter draws from a generator of its own, seeded by the trial's seed and the parameter's name. Its value
depends on seed, name, shape and scheme alone, so networks that differ only in their skips start from the same weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skipray.activations import Activation
from skipray.errors import SkiprayError
from skipray.extension import catalog
from skipray.extension.contract import Attribute, Contract, wrongly_called
from skipray.initialisations.filling.reach import Reached, parts, put
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Layer:
    """What a scheme may know of the layer whose weight it sets."""

    name: str
    """Of the weight, such as `blocks.3.conv1.weight`; of the bias where that is set."""
    groups: int
    activation: Activation
    """The network's."""
    weight_gain: float | None = None
    """sigma_w^2, where the model gives one."""
    bias_variance: float | None = None
    """sigma_b^2, where the model gives one."""


class Refused(SkiprayError, ValueError):
    """A model that a family or a scheme cannot have. `args`: what was found and what is allowed, the field to blame."""

    def __init__(self, message: str, key: str):
        super().__init__(message, key)

    def __str__(self) -> str:
        return str(self.args[0])


def sigma_w_squared(model: ModelSpec) -> float | None:
    """sigma_w^2 of the mean-field literature, fan_in times the variance of a weight in a wide network; None where it is
    not known: of a user's own scheme or family, of layers that are no random matrices."""
    name = model.initialisation
    if name is None or ":" in name or ":" in model.architecture:
        return None
    scheme = catalog.find("initialisations", name)
    return float(scheme.sigma_w_squared(model)) if hasattr(scheme, "sigma_w_squared") else None


def initialise(network: nn.Module, model: ModelSpec, seed: int) -> tuple[str, ...]:
    """Set every parameter of a network in place.

    Weights of linear and convolutional layers and of attention by the model's scheme, their biases 0 (or Gaussian,
    where the model has a bias_variance), normalizations to scale 1 and shift 0; any other module that has parameters of
    its own by its `reset_parameters`, seeded by its name.
    Where a layer has an `initial_factor`, its weight is the scheme's times that.
    A parameter of a module without one keeps the value that it was built with.

    Args:
        seed: the trial's. Torch's global generators are left as they were.

    Returns:
        Names of the parameters that keep the value that they were built with.
    """
    import torch

    scheme = catalog.find("initialisations", model.initialisation)
    if hasattr(scheme, "check"):
        scheme.check(model)
    if getattr(scheme, "AS_BUILT", False):
        return ()
    left = []
    with torch.no_grad():
        for part in parts(network):
            if part.rule == "module":
                _reset(part, seed)
            elif part.rule == "none" or not _set(part, scheme, model, seed):
                left.append(part.name)
        if hasattr(scheme, "finish"):
            more = (_generator(seed, "finish"),) if _draws(scheme.finish) else ()
            scheme.finish(network, model, *more)
    return tuple(left)


def _draws(finish: Callable[..., Any]) -> bool:
    """Whether it takes a generator."""
    return not list(wrongly_called("finish", finish, ("network", "model", "generator")))


def _reset(part: Reached, seed: int) -> None:
    """By the module's own rule, from random numbers of its own."""
    import torch

    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed asks for every kind of device, and notes from where each time: 3 ms without a GPU.
        torch.default_generator.manual_seed(_seed(seed, part.name))
        part.module.reset_parameters()  # type: ignore[operator]


def _set(part: Reached, scheme: Any, model: ModelSpec, seed: int) -> bool:
    """By the scheme, or 0; whether the parameter can be set."""
    import torch

    shape = getattr(part.module, part.name.rpartition(".")[2]).shape
    value = torch.zeros(shape)  # on the CPU: the same values on every device
    generator = _generator(seed, part.name)
    groups = getattr(part.module, "groups", 1)
    layer = Layer(part.name, groups, model.activation, model.weight_gain, model.bias_variance)
    if part.rule == "scheme":
        for piece in value.chunk(part.pieces):
            scheme.fill(piece, layer, generator)
        value *= getattr(part.module, "initial_factor", 1.0)
    elif hasattr(scheme, "fill_bias"):
        scheme.fill_bias(value, layer, generator)
    elif model.bias_variance:
        value.normal_(0, model.bias_variance**0.5, generator=generator)
    return put(part, value)


def _generator(seed: int, name: str) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(_seed(seed, name))


def _seed(seed: int, name: str) -> int:
    digest = hashlib.sha256(f"{seed}/initialisation/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def takes_gain(initialisation: str) -> bool:
    """Whether a scheme reads the model's `weight_gain`; a user's own may."""
    return ":" in initialisation or getattr(catalog.find("initialisations", initialisation), "TAKES_GAIN", False)


def with_gain() -> tuple[str, ...]:
    """The schemes of this folder that read it."""
    return tuple(name for name in catalog.names("initialisations") if takes_gain(name))


def _finish_called_wrongly(name: str, scheme: Any) -> Iterator[str]:
    """The mistake of a `finish` that takes neither the network and the model, nor a generator besides."""
    finish = getattr(scheme, "finish", None)
    if callable(finish) and not _draws(finish):
        yield from wrongly_called("finish", finish, ("network", "model"))


CONTRACT = Contract(
    (
        Attribute(("fill", "AS_BUILT"), call=("weight", "layer", "generator"), kind=bool),
        Attribute(("check",), of="none", call=("model",)),
        Attribute(("fill_bias",), of="none", call=("bias", "layer", "generator")),
        Attribute(("finish",), of="none", call=("network", "model"), loose=True),
        Attribute(("sigma_w_squared",), of="none", call=("model",)),
        Attribute(("TAKES_GAIN",), of="none", kind=bool),
    ),
    further=_finish_called_wrongly,
)
"""What `skipray.extension.catalog` asks of a scheme."""
