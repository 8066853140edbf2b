"""Training's forward and backward pass, written out: the kernels that autograd calls, without its graph.

Half of a step of a deep, narrow network on a CPU is spent around its kernels: on modules that are called and on nodes
of autograd that are made, walked and freed. A pass keeps what its layer's gradient needs and calls the kernels itself,
with the arguments that autograd gives them, so that every bit stays. Of skipray's own parts a few that are small
(dropout, the pooling of a stem) are done by autograd, for themselves alone.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor, nn


class NoPass(Exception):
    """A part is left to autograd, and so the whole network."""


class Pass(Protocol):
    """A layer's part of a step. It keeps what `backward` needs from `forward` until then."""

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, as in training."""
        ...

    def backward(self, gradient: Tensor) -> Tensor:
        """Add the parameters' gradients to theirs; the input's gradient.

        Args:
            gradient: of the output. An activation overwrites it.
        """
        ...


def give(parameter: Tensor, gradient: Tensor) -> None:
    """Leave a gradient as autograd does: a new one, or added to what an earlier piece of the batch has left."""
    if parameter.grad is None:
        parameter.grad = gradient
    else:
        parameter.grad += gradient


class ChainPass:
    """One after the other."""

    def __init__(self, parts: Iterable[Pass]):
        self.parts = tuple(parts)
        self._back = self.parts[::-1]

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part.forward(x)
        return x

    def backward(self, gradient: Tensor) -> Tensor:
        for part in self._back:
            gradient = part.backward(gradient)
        return gradient


class ByAutograd:
    """A module, or a function without parameters, that overwrites nothing."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        self.function = function
        self.parameters = list(function.parameters()) if isinstance(function, nn.Module) else []

    def forward(self, x: Tensor) -> Tensor:
        self._input = x.detach().requires_grad_()
        with torch.enable_grad():
            self._output = self.function(self._input)
        return self._output.detach()

    def backward(self, gradient: Tensor) -> Tensor:
        wanted = (self._input, *self.parameters)
        found, *gradients = torch.autograd.grad(self._output, wanted, gradient)
        del self._input, self._output
        for parameter, given in zip(self.parameters, gradients, strict=True):
            # In memory as the parameter is, which autograd sees to where it leaves a gradient.
            same = given.stride() == parameter.stride()
            give(parameter, given if same else torch.empty_like(parameter).copy_(given))
        return found
