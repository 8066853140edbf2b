"""Fixup's block: a residual network without normalization (Zhang et al. 2019). Axes as in `layers.py`."""

import torch
from torch import nn

from skipray import activations
from skipray.architectures.building.blocks import make_shortcut
from skipray.architectures.building.layers import weight_layer
from skipray.architectures.building.outline import Block, Outline, name_of


class ScalarBias(nn.Module):
    """A scalar bias that starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.bias


class Multiplier(nn.Module):
    """A branch times a scalar that starts at 1, and a scalar bias that starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.empty(()))
        self.bias = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.factor)
        nn.init.zeros_(self.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor + self.bias


class FixupBlock(nn.Module):
    """`activation(skip(x) + multiplier * branch(x))` with a scalar bias before each layer and each activation.

    Zhang et al. 2019, section 3 and figure 1 (right). A projection reads the biased input, as in the authors' code.
    """

    def __init__(self, outline: Outline, block: Block):
        super().__init__()
        layers = []
        for i, layer in enumerate(block.layers, 1):
            module = weight_layer(layer)
            self.add_module(f"{name_of(layer)}{i}", module)
            layers.append(module)
        self.before_layers = nn.ModuleList(ScalarBias() for _ in layers)
        self.before_activations = nn.ModuleList(ScalarBias() for _ in layers[:-1])
        self.multiplier = Multiplier()
        shortcut = make_shortcut(outline, block, bare=True)
        assert shortcut is not None
        self.shortcut = shortcut
        # In place: what it is given is made in this block, and read by nothing else.
        self.activation = activations.make_in_place(outline.activation, outline.activations)
        self.projects = block.skip == "projection"
        self._layers = tuple(layers)
        self._inner = tuple(zip(layers[1:], self.before_layers[1:], self.before_activations, strict=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shifted = self.before_layers[0](x)
        h = self._layers[0](shifted)
        for layer, before_layer, before_activation in self._inner:
            h = layer(before_layer(self.activation(before_activation(h))))
        return self.activation(self.multiplier(h) + self.shortcut(shifted if self.projects else x))

    @property
    def branch_end(self) -> nn.Module:
        return self.multiplier

    @property
    def branch_layers(self) -> tuple[nn.Module, ...]:
        """The weight layers of the branch, in order: what the `fixup` initialisation scales."""
        return self._layers
