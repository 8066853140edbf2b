"""Which parameters weight decay acts on, where it does not act on all."""

from torch import nn

NORMALIZATIONS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    *([nn.RMSNorm] if hasattr(nn, "RMSNorm") else []),
)


def is_decayed(network: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is a weight: two axes or more, and not a normalization's (whose gain may have several)."""
    module = network.get_submodule(name.rpartition(".")[0])
    return parameter.ndim >= 2 and not isinstance(module, NORMALIZATIONS)
