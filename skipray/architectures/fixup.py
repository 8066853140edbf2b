"""Fixup (Zhang et al. 2019): a post-activation ResNet without normalization that trains by its initialisation.

Scalar biases before each weight layer and each activation, a scalar multiplier on each branch; the initialisation of
the same name belongs to it. Depths as resnet's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.architectures import Sizes
from skipray.architectures.building import outline as outlines
from skipray.architectures.building import stages
from skipray.architectures.building.check import mlp_blocks, require, stage_blocks, without_normalization
from skipray.architectures.building.outline import Outline
from skipray.architectures.building.sizes import sizes as sizes_of
from skipray.initialisations import Refused
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

DISPLAY_NAME = "Fixup"


def fields(kind: str) -> frozenset[str]:
    return frozenset(() if kind == "mlp" else {"block", "shortcut", "layout"})


def check(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> None:
    outline(model, input_shape, classes)


def outline(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Outline:
    require(model, fields(model.kind))
    without_normalization(model)
    if model.initialisation != "fixup":
        raise Refused(f"found {model.initialisation}; allowed for fixup: fixup", "initialisation")
    if model.kind == "mlp":
        n = model.width
        return outlines.mlp(model, input_shape, classes, (n, n, n), mlp_blocks(model, 2), order="fixup")
    assert model.block is not None
    return stages.cnn(model, input_shape, classes, stage_blocks(model, model.block), order="fixup")


def build(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    from skipray.architectures.building.network import Network

    return Network(outline(model, input_shape, classes))


def sizes(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Sizes:
    return sizes_of(outline(model, input_shape, classes), input_shape)
