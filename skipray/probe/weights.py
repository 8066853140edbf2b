"""Which parameters of a network are weight matrices and kernels."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils import parametrize

from skipray.probe.layers import Layers, declared_layers
from skipray.torch_private import CONVOLUTIONS, NORMS

MATRICES = (nn.Linear, nn.Bilinear, *CONVOLUTIONS, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
"""Modules of torch whose parameters named weight are factors of a product."""
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LOOKUPS = (nn.Embedding, nn.EmbeddingBag)
NO_MATRIX = {
    "bias", "scale", "gamma", "beta", "gain", "pos", "position", "positional", "token", "tokens", "cls", "embed",
    "embedding", "table", "query", "queries",
}  # fmt: skip
"""In a parameter's name, of a module that is not torch's: what is added, looked up, or multiplied entry by entry."""


@dataclass(frozen=True)
class WeightParameter:
    layer: str
    layer_index: int
    name: str
    """The parameter's name in the network; of a parametrised one the name of what its originals make."""
    module: nn.Module
    """The layer itself."""
    attribute: str
    """Where the module has the weight."""

    @property
    def learned(self) -> Tensor:
        """What gradients and updates are of: the parameter; of a parametrised weight the weight that acts."""
        tensor: Tensor = getattr(self.module, self.attribute)
        return tensor

    def weight(self) -> Tensor:
        """What acts on the input: the parameter, or what a layer with an `effective_weight` makes of it (Dirac); its
        outputs first."""
        effective = getattr(self.module, "effective_weight", None)
        return self.by_outputs((effective() if callable(effective) else self.learned).detach())

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
    for prefix, module in network.named_modules():
        if "parametrizations" in prefix.split("."):
            continue
        made = list(module.parametrizations) if parametrize.is_parametrized(module) else []
        for name in [*(n for n, _ in module.named_parameters(recurse=False)), *made]:
            tensor = getattr(module, name)
            if id(tensor) not in seen and _is_weight(module, name, tensor):
                seen[id(tensor)] = tensor
                found.append(f"{prefix}.{name}" if prefix else name)
    return found


def _is_weight(module: nn.Module, name: str, tensor: Tensor) -> bool:
    if tensor.ndim < 2 or isinstance(module, (*NORMS, *LOOKUPS)) or "norm" in type(module).__name__.lower():
        return False
    if isinstance(module, MATRICES):
        return "weight" in name
    matrix = sum(size > 1 for size in tensor.shape) > 1
    return matrix and not NO_MATRIX & set(name.lower().split("_"))
