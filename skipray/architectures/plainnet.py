"""PlainNet: the ResNet with its skips removed, under the same parameter names (the paper; He et al. 2015, section 4).

mlp: stem, n blocks of two layers, classifier: depth 2n + 2. cnn: basic blocks 6n + 2, bottleneck blocks 9n + 2, or
He's ImageNet table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.architectures import Sizes
from skipray.architectures.building import outline as outlines
from skipray.architectures.building import stages
from skipray.architectures.building.check import mlp_blocks, require, stage_blocks
from skipray.architectures.building.outline import Outline
from skipray.architectures.building.sizes import sizes as sizes_of
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

DISPLAY_NAME = "PlainNet"
DROPPED = ("stochastic_depth", "layer_scale")
"""What a sweep gives its twins and belongs to their skips."""


def fields(kind: str) -> frozenset[str]:
    return frozenset({"dropout", "widths"} if kind == "mlp" else {"dropout", "block", "layout"})


def check(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> None:
    outline(model, input_shape, classes)


def outline(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Outline:
    require(model, fields(model.kind))
    if model.kind == "mlp":
        n = model.width
        return outlines.mlp(model, input_shape, classes, (n, n, n), mlp_blocks(model, 2), skip="none")
    assert model.block is not None
    return stages.cnn(model, input_shape, classes, stage_blocks(model, model.block), skips=False)


def build(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    from skipray.architectures.building.network import Network

    return Network(outline(model, input_shape, classes))


def sizes(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Sizes:
    return sizes_of(outline(model, input_shape, classes), input_shape)
