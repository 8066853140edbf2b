"""Initial values, one scheme a file; the file's name is the name in the YAML.

A scheme is a file with `fill(weight, layer, generator)`, which sets the weight of one linear or convolutional layer,
and, where they are needed, `check(model)` and `finish(network, model)`.

Every parameter draws from a generator of its own, seeded by the trial's seed and the parameter's name. Its value
depends on seed, name, shape and scheme alone, so networks that differ only in their skips start from the same weights.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from skipray.extension import catalog
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Layer:
    """What a scheme may know of the layer whose weight it sets."""

    name: str
    """Of the weight, such as `blocks.3.conv1.weight`."""
    groups: int
    activation: Literal["relu", "tanh", "linear"]
    """The network's."""


class Refused(ValueError):
    """A model that a family or a scheme cannot have. `args`: what was found and what is allowed, the field to blame."""

    def __init__(self, message: str, key: str):
        super().__init__(message, key)

    def __str__(self) -> str:
        return str(self.args[0])


def initialise(network: nn.Module, model: ModelSpec, seed: int) -> None:
    """Set every parameter of a network in place.

    Weights of linear and convolutional layers by the model's scheme, their biases 0, normalizations to scale 1 and
    shift 0; any other module that has parameters of its own by its `reset_parameters`, seeded by its name (a module
    without one keeps the values that it was built with).

    Args:
        seed: the trial's. Torch's global generators are left as they were.
    """
    import torch
    from torch import nn

    scheme = catalog.find("initialisations", model.initialisation)
    if hasattr(scheme, "check"):
        scheme.check(model)
    norms = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
    with torch.no_grad():
        for name, module in network.named_modules():
            own = dict(module.named_parameters(recurse=False))
            if isinstance(module, norms):
                module.reset_parameters()
                continue
            is_map = _is_linear_map(module)
            if hasattr(module, "reset_parameters") and set(own) - ({"weight", "bias"} if is_map else set()):
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(_seed(seed, name))
                    module.reset_parameters()
            if is_map:
                weight_name = f"{name}.weight" if name else "weight"
                generator = torch.Generator().manual_seed(_seed(seed, weight_name))
                value = torch.empty(own["weight"].shape)  # on the CPU: the same values on every device
                scheme.fill(value, Layer(weight_name, getattr(module, "groups", 1), model.activation), generator)
                own["weight"].copy_(value)
                if "bias" in own:
                    own["bias"].zero_()
        if hasattr(scheme, "finish"):
            scheme.finish(network, model)


def _is_linear_map(module: nn.Module) -> bool:
    """Linear and convolutional layers, and ours that act as one: a weight of (outputs, inputs / groups, ...)."""
    from torch import nn

    return isinstance(module, nn.Linear | nn.modules.conv._ConvNd) or getattr(module, "is_linear_map", False)


def _seed(seed: int, name: str) -> int:
    digest = hashlib.sha256(f"{seed}/initialisation/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
