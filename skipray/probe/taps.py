"""Where to look in a network: modules whose outputs are hidden representations, branches and skips; weight layers."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Tap:
    """A module whose output is measured."""

    layer: str
    layer_index: int | None
    """None: in the order of the calls."""
    tensor: str
    module: nn.Module


@dataclass(frozen=True)
class WeightLayer:
    layer: str
    layer_index: int
    name: str
    """The parameter's name in the network."""
    parameter: nn.Parameter
    """What is learned: updates and gradients are this one's."""
    module: nn.Module
    """The layer itself."""

    def weight(self) -> Tensor:
        """What acts on the input: the parameter, or what a layer with an `effective_weight` makes of it (Dirac)."""
        effective = getattr(self.module, "effective_weight", None)
        return (effective() if callable(effective) else self.parameter).detach()


def hidden_taps(network: nn.Module, *, branches: bool) -> list[Tap]:
    """skipray's networks say where their representations are; of any other, every module that computes by itself.

    Args:
        branches: also the branches before the addition and the skips.
    """
    hidden = named_hidden_layers(network)
    if hidden is None:
        return [Tap(name, None, "hidden", module) for name, module in network.named_modules() if _computes(module)]
    taps = []
    for index, layer in enumerate(hidden):
        taps.append(Tap(layer.name, index, "hidden", layer.output))
        if branches and layer.branch is not None:
            taps.append(Tap(layer.name, index, "branch", layer.branch))
        if branches and layer.skip is not None:
            taps.append(Tap(layer.name, index, "skip", layer.skip))
    return taps


def weight_layers(network: nn.Module) -> list[WeightLayer]:
    """Weight matrices and kernels in order, each once however often it is shared; no biases, no normalization.

    In skipray's networks those of the main path, each with the index of the hidden representation that it leads to, and
    the classifier after them; elsewhere all parameters with two axes or more.
    """
    parameters = dict(network.named_parameters())
    hidden = named_hidden_layers(network)
    if hidden is None:
        indexed = list(enumerate(name for name, parameter in parameters.items() if parameter.ndim >= 2))
    else:
        indexed = [(index, name) for index, layer in enumerate(hidden) for name in layer.weights]
        indexed += [(len(hidden), name) for name in ("classifier.weight",) if name in parameters]
    return [
        WeightLayer(
            name.removesuffix(".weight"), index, name, parameters[name], network.get_submodule(name.rpartition(".")[0])
        )
        for index, name in indexed
    ]


def named_hidden_layers(network: nn.Module) -> list[Any] | None:
    method = getattr(network, "hidden_layers", None)
    return list(method()) if callable(method) else None


def _computes(module: nn.Module) -> bool:
    leaf = next(module.children(), None) is None
    return (leaf and not isinstance(module, nn.Identity)) or any(True for _ in module.parameters(recurse=False))
