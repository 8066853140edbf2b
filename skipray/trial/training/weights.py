"""Which parameters weight decay acts on, where it does not act on all."""

from torch import nn
from torch.nn.utils import parametrize

from skipray.probe.names import is_matrix
from skipray.torch_private import LOOKUPS, MATRICES, NORMS


def is_decayed(network: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is a weight: one of a layer's own, or what shape and name say is a matrix or kernel.

    A layer's weight is one whatever its shape, also of a single row, and that of an embedding too. Of a weight that
    torch has parametrised in two parts (`weight_norm`) the direction is one, and the length is a scale. Nothing of a
    normalization is, whose gain may have several axes, and no position, token or bias that has (`skipray.probe.names`).
    """
    path, _, part = name.rpartition(".")
    module = network.get_submodule(path)
    if isinstance(module, parametrize.ParametrizationList):  # path: LAYER.parametrizations.TENSOR
        above, _, tensor = path.rpartition(".")
        module = network.get_submodule(above.rpartition(".")[0])
        is_scale = part == "original0" and hasattr(network.get_submodule(path), "original1")
        part = f"{tensor}_g" if is_scale else tensor  # as weight_norm was named before
    if isinstance(module, NORMS):
        return False
    if isinstance(module, (*MATRICES, *LOOKUPS)) or getattr(module, "is_linear_map", False):
        has_weights_name = part.startswith(("weight", "in_proj_weight", "q_proj", "k_proj", "v_proj"))
        if has_weights_name:
            return parameter.ndim >= 2 and not part.endswith("_g")
    return is_matrix(module, part, parameter)
