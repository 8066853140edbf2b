"""Blocks with a branch that is added to a skip, post- and pre-activation. Axes as in `layers.py`.

Every block has `branch_end` and `shortcut`, the modules whose outputs are added (None without a skip), and `drop`,
which the network sets where stochastic depth leaves a branch out.
"""

import torch
from torch import nn

from skipray import activations
from skipray.architectures.building.layers import PadShortcut, branch_scale, dropout, normalization, weight_layer
from skipray.architectures.building.outline import Block, Outline, WeightLayer, name_of


class ProjectionShortcut(nn.Module):
    """Shortcut option B of He et al. 2015, section 3.3: a strided 1x1 convolution, normalized where the branch is."""

    def __init__(self, layer: WeightLayer, norm: nn.Module | None):
        super().__init__()
        self.conv = weight_layer(layer)
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return x if self.norm is None else self.norm(x)


def make_shortcut(outline: Outline, block: Block, *, bare: bool = False) -> nn.Module | None:
    """The module whose output is added to the branch; None where there is no skip. `bare`: never normalized."""
    if block.skip == "none":
        return None
    if block.skip == "identity":
        return nn.Identity()
    if block.projection is None:
        return PadShortcut(block.inputs, block.outputs, block.stride)
    norm = None if bare else normalization(outline.normalization, outline.kind, block.outputs)
    return ProjectionShortcut(block.projection, norm)


class PostActivationBlock(nn.Module):
    """`activation(skip(x) + scale * branch(x))`, the branch as layer, norm, activation, ..., layer, norm.

    He et al. 2015, equation 1 and figure 5. Without a skip this is a PlainNet's block, under the same parameter names.
    """

    def __init__(self, outline: Outline, block: Block):
        super().__init__()
        main: list[tuple[nn.Module, nn.Module | None]] = []
        for i, layer in enumerate(block.layers, 1):
            module = weight_layer(layer)
            norm = normalization(outline.normalization, outline.kind, layer.outputs)
            self.add_module(f"{name_of(layer)}{i}", module)
            self.add_module(f"norm{i}", norm)
            main.append((module, norm))
        self.scale = branch_scale(outline, block)
        self.dropout = dropout(outline)
        self.drop: nn.Module | None = None
        self.shortcut = make_shortcut(outline, block)
        # In place: what it is given is made in this block, and read by nothing else.
        self.activation = activations.make_in_place(outline.activation, outline.activations)
        # Plain tuples beside the registered modules: looking a submodule up by name costs as much as a small addition.
        self.inner, self.last = tuple(main[:-1]), main[-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x
        for layer, norm in self.inner:
            h = layer(h)
            h = self.activation(h if norm is None else norm(h))
        layer, norm = self.last
        h = layer(h if self.dropout is None else self.dropout(h))
        if norm is not None:
            h = norm(h)
        if self.scale is not None:
            h = self.scale(h)
        if self.drop is not None:
            h = self.drop(h)
        shortcut = self.shortcut
        return self.activation(h if shortcut is None else h + shortcut(x))

    @property
    def branch_end(self) -> nn.Module | None:
        return None if self.shortcut is None else self.drop or self.scale or self.last[1] or self.last[0]

    @property
    def last_norm(self) -> nn.Module | None:
        """The normalization that ends the branch, whose scale zero-gamma starts from 0."""
        return self.last[1]


class PreActivationBlock(nn.Module):
    """`skip(x) + scale * branch(x)`, the branch as norm, activation, layer, norm, activation, layer, ...

    He et al. 2016 (Identity Mappings), equation 3 and figure 4e. A projection reads the first activation, as in the
    authors' code, and has no normalization of its own.
    """

    def __init__(self, outline: Outline, block: Block):
        super().__init__()
        main: list[tuple[nn.Module | None, nn.Module]] = []
        for i, layer in enumerate(block.layers, 1):
            module = weight_layer(layer)
            norm = normalization(outline.normalization, outline.kind, layer.inputs)
            self.add_module(f"norm{i}", norm)
            self.add_module(f"{name_of(layer)}{i}", module)
            main.append((norm, module))
        self.scale = branch_scale(outline, block)
        self.dropout = dropout(outline)
        self.drop: nn.Module | None = None
        shortcut = make_shortcut(outline, block, bare=True)
        assert shortcut is not None
        self.shortcut = shortcut
        self.projects = block.skip == "projection"
        self.activation = activations.make(outline.activation, outline.activations)
        self.activation_in_place = activations.make_in_place(outline.activation, outline.activations)
        self.first, self.inner, self.last = main[0], tuple(main[1:-1]), main[-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        norm, layer = self.first
        first = self.activation(x) if norm is None else self.activation_in_place(norm(x))
        h = layer(first)
        for norm, layer in self.inner:
            h = layer(self.activation_in_place(h if norm is None else norm(h)))
        norm, layer = self.last
        h = self.activation_in_place(h if norm is None else norm(h))
        h = layer(h if self.dropout is None else self.dropout(h))
        if self.scale is not None:
            h = self.scale(h)
        if self.drop is not None:
            h = self.drop(h)
        return h + self.shortcut(first if self.projects else x)

    @property
    def branch_end(self) -> nn.Module:
        return self.drop or self.scale or self.last[1]
