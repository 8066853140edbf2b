"""Norms of a network's weights, and what bounds are made of."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call


def spectral_norms(weights: Sequence[Tensor]) -> list[float]:
    """Largest singular value of each weight, a kernel as its unfolding by outputs; inf where an entry is not finite.

    From Gram matrices, those of equal-shaped weights together: the largest eigenvalue loses no digits.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, weight in enumerate(weights):
        groups.setdefault(tuple(weight.shape), []).append(i)
    found = [math.inf] * len(weights)
    for members in groups.values():
        stack = torch.stack([weights[i].detach().to("cpu", torch.float64).flatten(1) for i in members])
        stack = stack.mT if stack.shape[1] > stack.shape[2] else stack
        peak = stack.abs().amax((1, 2))
        # Divided by the largest entry, squares of whatever float64 holds neither overflow nor vanish.
        scaled = stack / torch.where((peak > 0) & peak.isfinite(), peak, 1.0)[:, None, None]
        gram = torch.where(peak.isfinite()[:, None, None], scaled @ scaled.mT, 0.0)
        largest = np.linalg.eigvalsh(gram.numpy())[:, -1]
        for i, value, scale in zip(members, largest.tolist(), peak.tolist(), strict=True):
            found[i] = math.sqrt(max(value, 0.0)) * scale if math.isfinite(scale) else math.inf
    return found


def log_spectral_product(weights: Sequence[Tensor], *, norms: Sequence[float] | None = None) -> float:
    """Natural logarithm of the product of the layers' spectral norms; a kernel counts as its unfolding by outputs.

    -inf where a weight is zero.

    Args:
        norms: `spectral_norms(weights)`, where they are known.
    """
    return sum(_log(norm) for norm in (spectral_norms(weights) if norms is None else norms))


def distance_from_initialisation(weights: Sequence[Tensor], initial: Sequence[Tensor]) -> float:
    """Frobenius norm of all changes together (Nagarajan and Kolter 2019)."""
    squares = (float((w.detach().double() - w0.detach().double()).square().sum()) for w, w0 in _pairs(weights, initial))
    return math.sqrt(sum(squares))


def log_spectral_complexity(
    weights: Sequence[Tensor], initial: Sequence[Tensor], *, norms: Sequence[float] | None = None
) -> float:
    """Natural logarithm of the spectral complexity (Bartlett, Foster and Telgarsky 2017, equation 1.2).

    prod_i |A_i| (sum_i (|A_i' - M_i'|_{2,1} / |A_i|)^(2/3))^(3/2), |.| the spectral norm, M the initial weights, the
    activations 1-Lipschitz. |.|_{2,1} sums the norms of the units' incoming weights (rows of A). Kernels count as
    their unfoldings by outputs, normalization layers as part of the activations, so there it is a measure and no bound.

    Args:
        norms: `spectral_norms(weights)`, where they are known.
    """
    norms = spectral_norms(weights) if norms is None else norms
    total = 0.0
    for (weight, start), norm in zip(_pairs(weights, initial), norms, strict=True):
        moved = (weight.detach().double() - start.detach().double()).reshape(len(weight), -1)
        if norm == 0:
            return -math.inf
        total += (float(moved.norm(dim=1).sum()) / norm) ** (2 / 3)
    return log_spectral_product(weights, norms=norms) + 1.5 * _log(total)


def log_path_norm(network: nn.Module, input_shape: Sequence[int]) -> float:
    """Natural logarithm of the l2 path norm: sqrt of the sum over paths of the products of squared weights.

    One pass of the network with squared weights on an input of ones (Neyshabur, Salakhutdinov and Srebro 2015,
    section 4), biases as weights of a constant input. In evaluation mode, normalization as the affine map it is then:
    gain / sqrt(variance + eps), without its shift; Dirac layers by their effective weights. Exact for networks of such
    maps and rectifiers; pooling by means is taken for a mean over paths.

    Args:
        input_shape: of one sample, without the sample axis.
    """
    squared = {name: p.detach().double().square() for name, p in network.named_parameters()}
    buffers = {name: b.detach().double() if b.is_floating_point() else b for name, b in network.named_buffers()}
    for prefix, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.running_var is not None:
            dot = f"{prefix}." if prefix else ""
            # The module divides by sqrt(variance + eps): this variance makes that variance + eps, the square.
            variance = buffers[f"{dot}running_var"]
            assert module.running_mean is not None
            buffers[f"{dot}running_var"] = (variance + module.eps).square() - module.eps
            buffers[f"{dot}running_mean"] = torch.zeros_like(variance)
        if hasattr(module, "effective_weight"):
            squared |= _squared_dirac(module, prefix)
    modes = [(module, module.training) for module in network.modules()]
    # A branch's fixed scale is a weight of its paths too, and no parameter.
    scales = [
        (module, module.factor) for module in network.modules() if isinstance(getattr(module, "factor", 0), float)
    ]
    try:
        for module, factor in scales:
            module.factor = factor**2  # type: ignore[operator]
        network.eval()
        device = next(iter(squared.values())).device
        ones = torch.ones(1, *input_shape, dtype=torch.float64, device=device)
        with torch.no_grad():
            total = functional_call(network, {**squared, **buffers}, (ones,)).sum()
    finally:
        for module, training in modes:
            module.training = training
        for module, factor in scales:
            module.factor = factor
    return 0.5 * _log(float(total))


def _squared_dirac(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    """Parameters with which a Dirac layer's effective weight is the square of its present one."""
    dot = f"{prefix}." if prefix else ""
    weight: Tensor = module.effective_weight().detach().double().square()  # type: ignore[operator]
    norms = weight.flatten(1).norm(dim=1)
    return {f"{dot}weight": weight, f"{dot}weight_scale": norms, f"{dot}identity_scale": torch.zeros_like(norms)}


def _pairs(weights: Sequence[Tensor], initial: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(weights, initial, strict=True))


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf
