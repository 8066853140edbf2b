"""A network's passes at work: loss and gradients at once, or as a function that autograd can differentiate."""

from typing import Any

import torch
from torch import Tensor

from skipray.architectures.building.passes.functions import Functions
from skipray.architectures.building.passes.text import NetworkText


class Passes:
    """Inputs to logits as the network has them in training, with the same gradients, for one step at a time."""

    def __init__(self, whole: NetworkText, found: Functions, *, flat: bool):
        self.functions, self.flat = found, flat
        # A list's type is known by what is in it. Each pass forward empties that of what was kept.
        nothing = [torch.zeros(())]
        tensors, kept = found.shared([one or nothing for one in whole.tensors]), found.shared([nothing])
        ahead, self._numbers_back, evaluated = whole.numbers
        self._ahead = (tensors, ahead, whole.runs, kept)
        self._back = (tensors, self._numbers_back, whole.runs, kept)
        self._evaluated = (tensors, evaluated, whole.runs)
        self.given = whole.given
        self._anchor = torch.zeros((), requires_grad=True)

    def __call__(self, x: Tensor) -> Tensor:
        scores: Tensor = _Run.apply(self._anchor, x.flatten(1) if self.flat else x, self)
        return scores

    @torch.no_grad()
    def evaluated(self, x: Tensor) -> Tensor:
        """Inputs to logits as the network has them in evaluation, whatever mode it is in."""
        return self.functions.evaluated(x.flatten(1) if self.flat else x, *self._evaluated)

    @torch.no_grad()
    def cross_entropy(self, x: Tensor, y: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """Add the gradients of the mean cross-entropy times `share` to the parameters', as autograd would, without it.

        Args:
            y: a class number for each sample.

        Returns:
            What the gradients are of, and the scores.
        """
        x = x.flatten(1) if self.flat else x
        loss, scores, found = self.functions.cross_entropy(x, y, share, self._numbers_back, *self._ahead)
        self.give(found)
        return loss, scores

    def ahead(self, x: Tensor) -> Tensor:
        """The way to the scores, of flat inputs where the network takes such."""
        return self.functions.forward(x, *self._ahead)

    def back(self, gradient: Tensor) -> list[Tensor]:
        """The way back: gradients in the order of `given`."""
        return self.functions.backward(gradient, *self._back)

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
        return passes.ahead(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        passes: Passes = ctx.passes
        with torch.no_grad():
            passes.give(passes.back(gradients[0]))
        return None, None, None
