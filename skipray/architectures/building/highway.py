"""The highway network's block. Axes as in `layers.py`."""

import torch
from torch import nn

from skipray import activations
from skipray.architectures.building.layers import normalization, weight_layer
from skipray.architectures.building.outline import Block, Outline, name_of

GATE_BIAS = -2.0
"""Where the gates' biases start: mostly carrying. Srivastava et al. 2015 ask for a negative value,
such as -1 or -3, and tune it; -2 between the two is ours, tuned on nothing."""


class HighwayBlock(nn.Module):
    """`T(x) H(x) + (1 - T(x)) x`, with `T = sigmoid(gate(x) + gate_bias)`, Srivastava et al. 2015.

    H is one weight layer, its normalization and its activation. A block that changes the shape has no gate and is H
    alone, a plain layer.
    """

    def __init__(self, outline: Outline, block: Block):
        super().__init__()
        (layer,) = block.layers
        module = weight_layer(layer)
        norm = normalization(outline.normalization, outline.kind, layer.outputs)
        self.add_module(f"{name_of(layer)}1", module)
        self.add_module("norm1", norm)
        self._main = (module, norm)
        self.activation = activations.make(outline.activation, outline.activations)
        self.gate = Gate(outline, block) if block.gate else None
        self.branch_end = nn.Identity() if block.gate else None
        self.shortcut = nn.Identity() if block.gate else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layer, norm = self._main
        h = layer(x)
        h = self.activation(h if norm is None else norm(h))
        if self.gate is None or self.branch_end is None or self.shortcut is None:
            return h
        t = self.gate(x)
        return self.branch_end(t * h) + self.shortcut(x - t * x)


class Gate(nn.Module):
    """A transform gate. Its bias is not its layer's, so that a scheme for weight layers does not set it to 0."""

    def __init__(self, outline: Outline, block: Block):
        super().__init__()
        assert block.gate is not None
        self.layer = weight_layer(block.gate)
        channels = block.gate.outputs
        self.bias = nn.Parameter(torch.empty(channels) if outline.kind == "mlp" else torch.empty(channels, 1, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.bias, GATE_BIAS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.layer(x) + self.bias)
