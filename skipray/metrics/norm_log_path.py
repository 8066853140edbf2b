"""Path norm: what all paths through a network weigh together."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from skipray.metrics import Absent, NetworkMetric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="norm.log_path",
    definition="natural logarithm of the l2 path norm, in evaluation mode",
    source="Neyshabur, Salakhutdinov and Srebro 2015, section 4",
    axis="log path norm",
    unit="nats",
    better="lower",
    needs_classes=False,
)


ONE_TYPE = re.compile("dtype|double", re.IGNORECASE)
"""In torch's errors of numbers of two types."""


def measure(network: TrainedNetwork) -> float:
    from torch.nn.utils.parametrize import is_parametrized

    from skipray.metrics.computing.hooked_weights import hooked

    if not network.inputs.is_floating_point():
        raise Absent("token numbers, which an input of ones cannot stand for")
    if any(is_parametrized(module) for module in network.module.modules()):
        raise Absent("a parametrised weight's square is not what squared originals make")
    if any(hooked(module) for module in network.module.modules()):
        raise Absent("the square of a weight that a hook makes is not what squared originals make")
    return log_path_norm(network.module, network.inputs.shape[1:])


def log_path_norm(network: nn.Module, input_shape: Sequence[int]) -> float:
    """Natural logarithm of the l2 path norm: sqrt of the sum over paths of the products of squared weights.

    One pass of the network with squared weights on an input of ones (Neyshabur, Salakhutdinov and Srebro 2015,
    section 4), biases as weights of a constant input. In evaluation mode, normalization as the affine map it is then:
    gain / sqrt(variance + eps), without its shift; Dirac layers by their effective weights. Exact for networks of such
    maps and rectifiers; pooling by means is taken for a mean over paths.

    Args:
        input_shape: of one sample, without the sample axis.

    Raises:
        Absent: the network makes numbers of one type alone (`x.float()`), and refuses another.
    """
    import torch
    from torch.func import functional_call

    from skipray.metrics.computing.modes import evaluation_mode
    from skipray.torch_private import STATISTICS_NORMS

    squared = {name: p.detach().double().square() for name, p in network.named_parameters()}
    buffers = {name: b.detach().double() if b.is_floating_point() else b for name, b in network.named_buffers()}
    for prefix, module in network.named_modules():
        if isinstance(module, STATISTICS_NORMS) and module.running_var is not None:
            dot = f"{prefix}." if prefix else ""
            # The module divides by sqrt(variance + eps): this variance makes that variance + eps, the square.
            variance = buffers[f"{dot}running_var"]
            assert module.running_mean is not None
            eps: Any = module.eps
            buffers[f"{dot}running_var"] = (variance + eps).square() - eps
            buffers[f"{dot}running_mean"] = torch.zeros_like(variance)
        if hasattr(module, "effective_weight"):
            squared |= _squared_dirac(module, prefix)
    # A branch's fixed scale is a weight of its paths too, and no parameter.
    scales = [
        (module, module.factor) for module in network.modules() if isinstance(getattr(module, "factor", 0), float)
    ]
    try:
        for module, factor in scales:
            module.factor = factor**2  # type: ignore[operator]
        device = next((weight.device for weight in squared.values()), torch.device("cpu"))
        ones = torch.ones(1, *input_shape, dtype=torch.float64, device=device)
        with torch.no_grad(), evaluation_mode(network):
            total = functional_call(network, {**squared, **buffers}, (ones,)).sum()
    except RuntimeError as error:
        if not ONE_TYPE.search(str(error)):
            raise
        raise Absent(f"the network does not compute in float64: {str(error).partition(chr(10))[0]}") from None
    finally:
        for module, factor in scales:
            module.factor = factor
    return 0.5 * math.log(float(total)) if total > 0 else -math.inf


def _squared_dirac(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    """Parameters with which a Dirac layer's effective weight is the square of its present one."""
    dot = f"{prefix}." if prefix else ""
    weight: Tensor = module.effective_weight().detach().double().square()  # type: ignore[operator]
    norms = weight.flatten(1).norm(dim=1)
    return {f"{dot}weight": weight, f"{dot}weight_scale": norms, f"{dot}identity_scale": norms.new_zeros(norms.shape)}
