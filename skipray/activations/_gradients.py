"""Gradients of activations by the kernels that autograd calls for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from skipray.activations import Gradient


def of_kernel(name: str, *behind: Any, before: tuple[Any, ...] = ()) -> Gradient | None:
    """A kernel of the output's gradient and what is kept; None where this torch has none of that name.

    Args:
        before, behind: arguments between the two, and after them.
    """
    from skipray.torch_private import operator

    kernel = operator(name)
    if kernel is None:
        return None
    new, written = kernel.default, kernel.grad_input

    def gradient(of_output: torch.Tensor, kept: torch.Tensor, into: torch.Tensor | None) -> torch.Tensor:
        if into is None:
            return new(of_output, *before, kept, *behind)
        return written(of_output, *before, kept, *behind, grad_input=into)

    return gradient
