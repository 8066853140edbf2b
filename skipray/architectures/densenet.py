"""DenseNet-BC (Huang et al. 2017): each layer reads the concatenation of all earlier ones and adds k channels to it.

A dense layer is a 1x1 convolution to 4k channels and a 3x3 one to k (B); transitions halve the channels (C). `width`
is the stem's: 2k in the paper. cifar: three dense stages of n layers, depth 6n + 4. imagenet: the paper's table 1.
There is no fully connected kind: with no planes to halve, there is nothing that the concatenation would be bounded by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.architectures import Sizes
from skipray.architectures.building import stages
from skipray.architectures.building.check import require
from skipray.architectures.building.depth import LinearRule, tabled
from skipray.architectures.building.outline import Outline
from skipray.architectures.building.sizes import sizes as sizes_of
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

DISPLAY_NAME = "DenseNet"
KINDS = ("cnn",)
IMAGENET_LAYERS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32), 264: (6, 12, 64, 48)}
"""Dense layers in each stage (table 1)."""


def fields(kind: str) -> frozenset[str]:
    return frozenset({"growth_rate", "layout"} if kind in KINDS else ())


def check(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> None:
    outline(model, input_shape, classes)


def outline(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Outline:
    require(model, fields(model.kind))
    layers: tuple[int, ...]
    if model.layout == "imagenet":
        layers = tabled(model.depth, IMAGENET_LAYERS, "densenet (cnn, imagenet)")
    else:
        layers = (LinearRule(6, 4).count(model.depth, "densenet (cnn, cifar)"),) * 3
    return stages.dense_cnn(model, input_shape, classes, layers)


def build(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    from skipray.architectures.building.network import Network

    return Network(outline(model, input_shape, classes))


def sizes(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Sizes:
    return sizes_of(outline(model, input_shape, classes), input_shape)
