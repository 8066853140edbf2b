"""Training's forward and backward pass, written out: the kernels that autograd calls, without its graph.

More than half of a step of a deep, narrow network on a CPU is spent around its kernels: on modules that are called, on
nodes of autograd that are made, walked and freed, and on Python itself. A pass writes what its layer does, forward and
back, as text: the kernels that autograd calls, with the arguments that it gives them, so that every bit stays. The text
of a network is run by torch's own interpreter.
"""

from collections.abc import Iterable
from typing import Protocol

from skipray.architectures.building.passes.text import Text


class NoPass(Exception):
    """A part is left to autograd, and so the whole network."""


class Pass(Protocol):
    """A layer's part of a step. It writes to keep what `backward` needs, and `backward` takes it in reverse order."""

    def forward(self, text: Text, x: str) -> str:
        """Write the layer's output, in training or evaluation as the text is.

        Args:
            x: the name of the input.

        Returns:
            The name of the output.
        """
        ...

    def backward(self, text: Text, gradient: str) -> str:
        """Write the gradients of the parameters, and that of the input, whose name it gives.

        Args:
            gradient: the name of the output's. It may be written over by whoever has it, and by the sum of a branch's
                gradient and its skip's: a pass keeps no name of it, and gives it on only where nothing else reads it.
        """
        ...


class ChainPass:
    """One after the other."""

    def __init__(self, parts: Iterable[Pass]):
        self.parts = tuple(parts)

    def forward(self, text: Text, x: str) -> str:
        for part in self.parts:
            x = part.forward(text, x)
        return x

    def backward(self, text: Text, gradient: str) -> str:
        for part in reversed(self.parts):
            gradient = part.backward(text, gradient)
        return gradient
