"""An outline as a torch network: stem, blocks, classifier, and where to tap its hidden representations."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from skipray.architectures import HiddenLayer
from skipray.architectures._layers import PadShortcut, branch_scale, normalization, weight_layer
from skipray.architectures._outline import Block, Outline, WeightLayer

Activation = Callable[[torch.Tensor], torch.Tensor]


def _identity(x: torch.Tensor) -> torch.Tensor:
    return x


ACTIVATIONS: dict[str, Activation] = {"relu": torch.relu, "tanh": torch.tanh, "linear": _identity}


class Stem(nn.Module):
    """The first weight layer; normalized and activated unless the blocks do it themselves (pre-activation)."""

    def __init__(self, outline: Outline, bare: bool):
        super().__init__()
        self.main = name_of(outline.stem)
        setattr(self, self.main, weight_layer(outline.stem))
        self.norm = None if bare else normalization(outline.normalization, outline.kind, outline.stem.outputs)
        self.activation = _identity if bare else ACTIVATIONS[outline.activation]
        self.pool = outline.pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = getattr(self, self.main)(x)
        if self.norm is not None:
            x = self.norm(x)
        x = self.activation(x)
        return F.max_pool2d(x, 3, stride=2, padding=1) if self.pool else x


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
        self.scale = branch_scale(outline.scale) if block.skip != "none" else None
        self.shortcut = shortcut(outline, block)
        self.activation = ACTIVATIONS[outline.activation]
        # Plain tuples beside the registered modules: looking a submodule up by name costs as much as a small layer.
        self._inner, self._last = tuple(main[:-1]), main[-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x
        for layer, norm in self._inner:
            h = layer(h)
            h = self.activation(h if norm is None else norm(h))
        layer, norm = self._last
        h = layer(h)
        if norm is not None:
            h = norm(h)
        if self.scale is not None:
            h = self.scale(h)
        return self.activation(h if self.shortcut is None else h + self.shortcut(x))

    @property
    def branch_end(self) -> nn.Module:
        """The module whose output is the branch, as it is added."""
        return self.scale or self._last[1] or self._last[0]

    @property
    def last_norm(self) -> nn.Module | None:
        """The normalization that ends the branch: what zero-gamma sets to zero."""
        return self._last[1]


def name_of(layer: WeightLayer) -> str:
    return "conv" if layer.kernel else "linear"


class Projection(nn.Module):
    """Shortcut option B of He et al. 2015, section 3.3: a strided 1x1 convolution, normalized as the branch is."""

    def __init__(self, outline: Outline, layer: WeightLayer, bare: bool):
        super().__init__()
        self.conv = weight_layer(layer)
        self.norm = None if bare else normalization(outline.normalization, outline.kind, layer.outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return x if self.norm is None else self.norm(x)


def shortcut(outline: Outline, block: Block, bare: bool = False) -> nn.Module | None:
    """The module whose output is added to the branch; None where there is no skip."""
    if block.skip == "none":
        return None
    if block.skip == "identity":
        return nn.Identity()
    if block.projection is None:
        return PadShortcut(block.inputs, block.outputs, block.stride)
    return Projection(outline, block.projection, bare)


class Network(nn.Module):
    """Input (N, C, H, W) to logits (N, classes)."""

    def __init__(
        self,
        outline: Outline,
        block: Callable[[Outline, Block], nn.Module] = PostActivationBlock,
        *,
        preactivation: bool = False,
    ):
        super().__init__()
        self.flatten = outline.kind == "mlp"
        self.stem = Stem(outline, bare=preactivation)
        self.blocks = nn.ModuleList(block(outline, b) for b in outline.blocks)
        self.classifier = nn.Linear(outline.classifier.inputs, outline.classifier.outputs)
        self._outline = outline

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x.flatten(1) if self.flatten else x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x if self.flatten else x.mean((2, 3)))

    def hidden_layers(self) -> list[HiddenLayer]:
        """The stem, then every block, from input to output."""
        layers = [HiddenLayer("stem", self.stem, None, None, (f"stem.{self.stem.main}.weight",))]
        for i, (block, planned) in enumerate(zip(self.blocks, self._outline.blocks, strict=True)):
            skip, branch = (block.shortcut, block.branch_end) if planned.skip != "none" else (None, None)
            assert not isinstance(skip, torch.Tensor)
            assert not isinstance(branch, torch.Tensor)
            weights = (f"blocks.{i}.{name_of(layer)}{j}.weight" for j, layer in enumerate(planned.layers, 1))
            layers.append(HiddenLayer(f"blocks.{i}", block, branch, skip, tuple(weights)))
        return layers
