"""ResNet, post-activation (He et al. 2015): `h_l = activation(h_{l-1} + branch(h_{l-1}))`.

mlp: stem, n blocks of two layers, classifier: depth 2n + 2. cnn: basic blocks 6n + 2, bottleneck blocks 9n + 2, or
He's ImageNet table, with the stride on the 3x3 convolution as in torchvision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.architectures import Sizes
from skipray.architectures.building import outline as outlines
from skipray.architectures.building import stages
from skipray.architectures.building.check import OF_BRANCHES, mlp_blocks, require, stage_blocks
from skipray.architectures.building.outline import Outline
from skipray.architectures.building.sizes import sizes as sizes_of
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

DISPLAY_NAME = "ResNet"
BRANCHES_END_IN_NORM = True
"""So that the initialisation zero_gamma has something to set."""


def fields(kind: str) -> frozenset[str]:
    common = {"residual_scale", *OF_BRANCHES}
    return frozenset(common | ({"widths"} if kind == "mlp" else {"block", "shortcut", "layout"}))


def check(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> None:
    outline(model, input_shape, classes)


def outline(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Outline:
    require(model, fields(model.kind))
    if model.kind == "mlp":
        n = model.width
        return outlines.mlp(model, input_shape, classes, (n, n, n), mlp_blocks(model, 2))
    assert model.block is not None
    return stages.cnn(model, input_shape, classes, stage_blocks(model, model.block))


def build(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    from skipray.architectures.building.network import Network

    return Network(outline(model, input_shape, classes))


def sizes(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Sizes:
    return sizes_of(outline(model, input_shape, classes), input_shape)
