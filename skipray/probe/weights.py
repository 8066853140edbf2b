"""Which parameters of a network are weight matrices and kernels."""

import re
from dataclasses import dataclass

from torch import Tensor, nn

from skipray.metrics.computing.hooked_weights import TRANSPOSED, acting, acting_tensors, hooked
from skipray.probe.layers import Layers, declared_layers
from skipray.probe.names import has_matrix_shape, is_matrix
from skipray.torch_private import LOOKUPS, MATRICES, NORMS

FACTORS = re.compile(r"weight(_(ih|hh|hr).*)?|(in|q|k|v)_proj_weight")
"""Names of the parameters of torch's layers (`MATRICES`) that are factors of a product."""


@dataclass(frozen=True)
class WeightParameter:
    layer: str
    layer_index: int
    name: str
    """The parameter's name in the network; of one that is made of others (parametrised, or by a hook) its own."""
    module: nn.Module
    """The layer itself."""
    attribute: str
    """Where the module has the weight."""

    @property
    def learned(self) -> Tensor:
        """What gradients and updates are of: the parameter; of a weight that is made of others the one that acts."""
        tensor: Tensor = getattr(self.module, self.attribute)
        return tensor

    def weight(self) -> Tensor:
        """What acts on the input: the parameter, or what a layer with an `effective_weight` makes of it (Dirac); its
        outputs first."""
        effective = getattr(self.module, "effective_weight", None)
        made = acting(self.module, self.attribute) if self.attribute in hooked(self.module) else self.learned
        return self.by_outputs((effective() if callable(effective) else made).detach())

    def by_outputs(self, tensor: Tensor) -> Tensor:
        """A tensor of the parameter's shape with the layer's outputs on axis 0 and what each of them sees on axis 1:
        transposed convolutions have them the other way about, (in, out / groups, ...)."""
        if not isinstance(self.module, TRANSPOSED) or self.attribute != "weight":
            return tensor
        split = tensor.unflatten(0, (self.module.groups, -1)).transpose(1, 2)
        return split.flatten(0, 1)


def weight_layers(network: nn.Module, layers: Layers | None = None) -> list[WeightParameter]:
    """Weight matrices and kernels in order, each once however often it is shared.

    No biases, gains of norms, layer scales, positions, tokens or embeddings. Where the network says which its layers
    are, those of the main path, each with the index of the hidden representation that it leads to, and the classifier
    after them.

    Args:
        layers: of any other network, its hidden representations and what a pass has shown: only weights that it used
            are then given, in that order, each with the index of the hidden tensor that it leads to
            (`skipray.probe.passed`). All of them in the order of their definition when left out.
    """
    declared = declared_layers(network)
    if declared is not None and any(layer.weights for layer in declared.hidden):
        parameters = dict(network.named_parameters())
        indexed = [(index, name) for index, layer in enumerate(declared.hidden) for name in layer.weights]
        indexed += [(len(declared.hidden), name) for name in ("classifier.weight",) if name in parameters]
    else:
        indexed = list(enumerate(_weights(network)))
    if layers is not None and layers.passed is not None:
        names = [name for _, name in indexed]
        indexed = layers.passed.indexed(network, names, layers.hidden, declared=layers.declared)
    return [_layer(network, index, name) for index, name in indexed]


def _layer(network: nn.Module, index: int, name: str) -> WeightParameter:
    module, _, attribute = name.rpartition(".")
    return WeightParameter(name.removesuffix(".weight"), index, name, network.get_submodule(module), attribute)


def _weights(network: nn.Module) -> list[str]:
    found: list[str] = []
    seen: dict[int, Tensor] = {}
    # The tensors are held: a parametrised weight is made anew at each look, and the next could take a dead one's id.
    for path, module, name in acting_tensors(network):
        tensor = getattr(module, name)
        if id(tensor) not in seen and _is_weight(module, name, tensor):
            seen[id(tensor)] = tensor
            found.append(path)
    return found


def left_out(network: nn.Module) -> list[str]:
    """Names of the parameters with the shape of a matrix that `weight_layers` leaves out for their names, or for a
    first axis of one; none where the network says what its weights are, and none of torch's own layers."""
    declared = declared_layers(network)
    if declared is not None and any(layer.weights for layer in declared.hidden):
        return []
    weights, found = set(_weights(network)), []
    taken = {id(tensor) for name, tensor in network.named_parameters(remove_duplicate=False) if name in weights}
    for path, module, name in acting_tensors(network):
        of_kind = isinstance(module, (*NORMS, *LOOKUPS)) and name in ("weight", "bias")
        if _is_of_torch(module) or of_kind or path in weights:
            continue
        tensor = getattr(module, name)
        if has_matrix_shape(tensor) and id(tensor) not in taken:
            found.append(path)
    return found


def _is_of_torch(module: nn.Module) -> bool:
    return type(module).__module__.partition(".")[0] == "torch"


def _is_weight(module: nn.Module, name: str, tensor: Tensor) -> bool:
    if tensor.ndim < 2 or isinstance(module, (*NORMS, *LOOKUPS)):
        return False
    if isinstance(module, MATRICES) and (FACTORS.fullmatch(name) or _is_of_torch(module)):
        return FACTORS.fullmatch(name) is not None
    return is_matrix(module, name, tensor)
