"""Which parameters weight decay acts on, where it does not act on all."""

from torch import nn

from skipray.torch_private import NORMS


def is_decayed(network: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is a weight: two axes or more, and not a normalization's (whose gain may have several)."""
    module = network.get_submodule(name.rpartition(".")[0])
    return parameter.ndim >= 2 and not isinstance(module, NORMS)
