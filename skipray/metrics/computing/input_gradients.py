"""Gradients of the loss with respect to the input."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from skipray.metrics import Absent
from skipray.metrics.computing.as_found import as_found


def input_gradients(
    network: nn.Module, inputs: Tensor, labels: Tensor, loss: Callable[[Tensor, Tensor], Tensor] | None = None
) -> Tensor:
    """Of each sample's loss, (samples, ...), in the mode that the network is in.

    Raises:
        Absent: the scores do not follow from the input by what has gradients, as where it is rounded to numbers of an
            embedding's table.

    Args:
        loss: of scores and labels, the mean over the samples; the cross-entropy when left out.
    """
    with as_found(network), torch.enable_grad():
        x = leaf(inputs)
        total = (loss or nn.functional.cross_entropy)(network(x.clone()), labels) * len(labels)
        return gradient(total, x)


def leaf(inputs: Tensor) -> Tensor:
    """A copy of the inputs that gradients are taken to.

    Raises:
        Absent: they are no floating-point numbers.
    """
    if not inputs.is_floating_point():
        raise Absent("inputs are token numbers, which have no gradients")
    return inputs.detach().clone().requires_grad_()


def gradient(total: Tensor, x: Tensor, *, again: bool = False) -> Tensor:
    """Of a number with respect to the inputs.

    Args:
        again: whether the same pass is differentiated further.

    Raises:
        Absent: none reaches them.
    """
    found = torch.autograd.grad(total, x, retain_graph=again, allow_unused=True)[0] if total.requires_grad else None
    if found is None:
        raise Absent("no gradient reaches the input")
    return found
