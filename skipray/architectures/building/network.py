"""An outline as a torch network: stem, blocks, classifier, and where to see its hidden representations."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from skipray import activations
from skipray.architectures import HiddenLayer
from skipray.architectures.building.blocks import PostActivationBlock, PreActivationBlock
from skipray.architectures.building.dense import dense_or_transition
from skipray.architectures.building.fixup import FixupBlock, ScalarBias
from skipray.architectures.building.highway import HighwayBlock
from skipray.architectures.building.layers import normalization, weight_layer
from skipray.architectures.building.outline import Block, Order, Outline, name_of

BLOCKS: dict[Order, Callable[[Outline, Block], nn.Module]] = {
    "post": PostActivationBlock,
    "pre": PreActivationBlock,
    "highway": HighwayBlock,
    "fixup": FixupBlock,
    "dense": dense_or_transition,
}


class Activated(nn.Module):
    """A normalization (or Fixup's bias, or nothing), then the activation."""

    def __init__(self, outline: Outline, channels: int):
        super().__init__()
        fixup = outline.order == "fixup"
        self.norm = ScalarBias() if fixup else normalization(outline.normalization, outline.kind, channels)
        self.activation = activations.make(outline.activation, outline.activations)
        self.activation_in_place = activations.make_in_place(outline.activation, outline.activations)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(x) if self.norm is None else self.activation_in_place(self.norm(x))


class Stem(nn.Module):
    """The first weight layer, activated unless the blocks do it, and pooled in the ImageNet layout."""

    def __init__(self, outline: Outline):
        super().__init__()
        self._main = (weight_layer(outline.stem),)  # in a tuple, so that it is registered under one name
        self.add_module(name_of(outline.stem), self.layer)
        self.activated = None if outline.bare_stem else Activated(outline, outline.stem.outputs)
        self.pool = outline.pool

    @property
    def layer(self) -> nn.Module:
        return self._main[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self._main[0](x)
        if self.activated is not None:
            x = self.activated(x)
        return self.pooled(x) if self.pool else x

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(x, 3, stride=2, padding=1)


class Network(nn.Module):
    """Inputs (N, C, H, W) to logits (N, classes)."""

    def __init__(self, outline: Outline):
        super().__init__()
        self.outline = outline
        self.stem = Stem(outline)
        self.blocks = nn.ModuleList(BLOCKS[outline.order](outline, block) for block in outline.blocks)
        if outline.stochastic_depth:
            self._drop_branches(outline.stochastic_depth)
        self.head: nn.Module | None = None
        if outline.order in ("pre", "dense"):
            self.head = Activated(outline, outline.classifier.inputs)
        elif outline.order == "fixup":
            self.head = ScalarBias()
        self.classifier = weight_layer(outline.classifier)
        self.is_flat = outline.kind == "mlp"

    def _drop_branches(self, last: float) -> None:
        """Huang et al. 2016, equation 4: the l-th of L branches is left out with probability l / L times the last's."""
        from torchvision.ops import StochasticDepth  # a second, for few networks

        for i, block in enumerate(self.blocks, 1):
            if block.shortcut is not None:
                block.drop = StochasticDepth(last * i / len(self.blocks), mode="batch")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x.flatten(1) if self.is_flat else x)
        for block in self.blocks:
            x = block(x)
        if self.head is not None:
            x = self.head(x)
        return self.classifier(x if self.is_flat else self.over_space(x))

    def over_space(self, x: torch.Tensor) -> torch.Tensor:
        """The mean of each feature map."""
        return x.mean((2, 3))

    def hidden_layers(self) -> list[HiddenLayer]:
        """The stem, then every block, from input to output."""
        stem = HiddenLayer("stem", self.stem, None, None, (f"stem.{name_of(self.outline.stem)}.weight",))
        layers = [stem]
        for i, (block, planned) in enumerate(zip(self.blocks, self.outline.blocks, strict=True)):
            weights = tuple(f"blocks.{i}.{name_of(layer)}{j}.weight" for j, layer in enumerate(planned.layers, 1))
            branch, skip = block.branch_end, block.shortcut
            assert not isinstance(branch, torch.Tensor)
            assert not isinstance(skip, torch.Tensor)
            layers.append(HiddenLayer(f"blocks.{i}", block, branch, skip, weights))
        return layers
