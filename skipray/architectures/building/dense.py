"""DenseNet-BC's layers and transitions (Huang et al. 2017). Axes as in `layers.py`."""

import torch
from torch import nn
from torch.nn import functional as F

from skipray import activations
from skipray.architectures.building.layers import normalization, weight_layer
from skipray.architectures.building.outline import Block, Outline


class _PreActivated(nn.Module):
    """norm, activation, convolution, once for each layer."""

    def __init__(self, outline: Outline, block: Block):
        super().__init__()
        main = []
        for i, layer in enumerate(block.layers, 1):
            norm = normalization(outline.normalization, outline.kind, layer.inputs)
            module = weight_layer(layer)
            self.add_module(f"norm{i}", norm)
            self.add_module(f"conv{i}", module)
            main.append((norm, module))
        self.activation = activations.make(outline.activation, outline.activations)
        self.activation_in_place = activations.make_in_place(outline.activation, outline.activations)
        self.branch_end = self.shortcut = None
        self._main = tuple(main)

    def convolve(self, h: torch.Tensor) -> torch.Tensor:
        for norm, layer in self._main:
            h = layer(self.activation(h) if norm is None else self.activation_in_place(norm(h)))
        return h


class DenseBlock(_PreActivated):
    """One dense layer: its 1x1 and 3x3 convolutions add `growth_rate` channels to all earlier ones (section 3)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x, self.convolve(x)), 1)


class Transition(_PreActivated):
    """Halves the channels by a 1x1 convolution and the plane by average pooling (section 3, Compression)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(self.convolve(x), 2)


def dense_or_transition(outline: Outline, block: Block) -> nn.Module:
    return DenseBlock(outline, block) if block.skip == "concatenation" else Transition(outline, block)
