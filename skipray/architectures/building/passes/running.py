"""A network's passes at work: loss and gradients at once, or as a function that autograd can differentiate."""

from typing import Any

import torch
from torch import Tensor

from skipray.architectures.building.passes.functions import Functions
from skipray.architectures.building.passes.source import Written


class Passes:
    """Inputs to logits as the network has them in training, with the same gradients, for one step at a time."""

    def __init__(self, whole: Written, found: Functions, *, flat: bool):
        self.functions, self.flat = found, flat
        self.arguments = (found.shared(whole.tensors), whole.numbers, whole.runs, found.shared([]))
        self.given = whole.given
        self._anchor = torch.zeros((), requires_grad=True)

    def __call__(self, x: Tensor) -> Tensor:
        scores: Tensor = _Run.apply(self._anchor, x.flatten(1) if self.flat else x, self)
        return scores

    @torch.no_grad()
    def cross_entropy(self, x: Tensor, y: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """Add the gradients of the mean cross-entropy times `share` to the parameters', as autograd would, without it.

        Args:
            y: a class number for each sample.

        Returns:
            What the gradients are of, and the scores.
        """
        x = x.flatten(1) if self.flat else x
        loss, scores, found = self.functions.cross_entropy(x, y, share, *self.arguments)
        self.give(found)
        return loss, scores

    def give(self, gradients: list[Tensor]) -> None:
        """Leave gradients as autograd does: new ones, or added to what an earlier piece of the batch has left."""
        for parameter, gradient in zip(self.given, gradients, strict=True):
            if parameter.grad is None:
                parameter.grad = gradient
            else:
                parameter.grad += gradient


class _Run(torch.autograd.Function):
    """One node of autograd's graph for the whole network; the anchor is what makes its output need a gradient."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, x: Tensor, passes: Passes) -> Tensor:
        ctx.passes = passes
        return passes.functions.forward(x, *passes.arguments)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        passes: Passes = ctx.passes
        with torch.no_grad():
            passes.give(passes.functions.backward(gradients[0], *passes.arguments))
        return None, None, None
