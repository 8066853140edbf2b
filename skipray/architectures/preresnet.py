"""Pre-activation ResNet (He et al. 2016, Identity Mappings): `h_l = h_{l-1} + branch(activation(norm(h_{l-1})))`.

Depths as resnet's. A last normalization and activation precede the classifier; the stem is a weight layer alone. The
hidden representations are the sums, which no activation follows.
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

DISPLAY_NAME = "PreResNet"


def fields(kind: str) -> frozenset[str]:
    common = {"residual_scale", *OF_BRANCHES}
    return frozenset(common | ({"widths"} if kind == "mlp" else {"block", "shortcut", "layout"}))


def check(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> None:
    outline(model, input_shape, classes)


def outline(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Outline:
    require(model, fields(model.kind))
    if model.kind == "mlp":
        n = model.width
        return outlines.mlp(model, input_shape, classes, (n, n, n), mlp_blocks(model, 2), order="pre")
    assert model.block is not None
    return stages.cnn(model, input_shape, classes, stage_blocks(model, model.block), order="pre")


def build(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    from skipray.architectures.building.network import Network

    return Network(outline(model, input_shape, classes))


def sizes(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Sizes:
    return sizes_of(outline(model, input_shape, classes), input_shape)
