"""Plain layers with a skip over every third one.

mlp: stem, n blocks of three layers, classifier: depth 3n + 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.architectures import Sizes
from skipray.architectures.building import outline as outlines
from skipray.architectures.building.check import OF_BRANCHES, mlp_blocks, require
from skipray.architectures.building.outline import Outline
from skipray.architectures.building.sizes import sizes as sizes_of
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn


KINDS = ("mlp",)


def fields(kind: str) -> frozenset[str]:
    return frozenset({"residual_scale", *OF_BRANCHES})


def check(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> None:
    outline(model, input_shape, classes)


def outline(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Outline:
    require(model, fields(model.kind))
    n = model.width
    return outlines.mlp(model, input_shape, classes, (n, n, n, n), mlp_blocks(model, 3))


def build(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    from skipray.architectures.building.network import Network

    return Network(outline(model, input_shape, classes))


def sizes(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Sizes:
    return sizes_of(outline(model, input_shape, classes), input_shape)
