"""Shattered gradients: how alike the gradients at different and at neighbouring inputs are."""

import torch
from torch import Tensor, nn

from skipray.metrics.as_found import as_found
from skipray.metrics.entries import mean_cosine


def gradient_correlation(network: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """Mean cosine, over pairs of samples, of the loss's gradients with respect to the input.

    Balduzzi et al. 2017, section 2: in deep plain networks gradients at different inputs are as unlike as white noise.
    """
    return mean_cosine(_input_gradients(network, inputs, labels).flatten(1))


def neighbour_gradient_correlation(
    network: nn.Module, inputs: Tensor, labels: Tensor, *, distance: float = 0.01, seed: int = 0
) -> float:
    """Mean cosine of the gradients at each input and at a neighbour `distance` of its norm away, a random direction.

    Balduzzi et al. 2017, section 2 and figure 1, which walk through inputs on a line; a sample's own label serves both.
    """
    step = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(seed)).to(inputs)
    flat, size = step.flatten(1), inputs.flatten(1).norm(dim=1)
    neighbours = inputs + (flat * (distance * size / flat.norm(dim=1))[:, None]).reshape(inputs.shape)
    here = _input_gradients(network, inputs, labels).flatten(1).double()
    there = _input_gradients(network, neighbours, labels).flatten(1).double()
    known = (here.norm(dim=1) > 0) & (there.norm(dim=1) > 0)
    if not known.any():
        raise ValueError("found gradients that are all zero; they have no direction")
    return float(torch.cosine_similarity(here[known], there[known], dim=1, eps=0.0).mean())


def _input_gradients(network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    with as_found(network), torch.enable_grad():
        x = inputs.detach().clone().requires_grad_()
        loss = nn.functional.cross_entropy(network(x.clone()), labels, reduction="sum")
        return torch.autograd.grad(loss, x)[0]
