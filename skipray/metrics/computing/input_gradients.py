"""Gradients of the loss with respect to the input."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from skipray.metrics.computing.as_found import as_found


def input_gradients(
    network: nn.Module, inputs: Tensor, labels: Tensor, loss: Callable[[Tensor, Tensor], Tensor] | None = None
) -> Tensor:
    """Of each sample's loss, (samples, ...), in the mode that the network is in.

    Args:
        loss: of scores and labels, the mean over the samples; the cross-entropy when left out.
    """
    with as_found(network), torch.enable_grad():
        x = inputs.detach().clone().requires_grad_()
        total = (loss or nn.functional.cross_entropy)(network(x.clone()), labels) * len(labels)
        return torch.autograd.grad(total, x)[0]
