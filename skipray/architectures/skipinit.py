"""SkipInit (De & Smith 2020, section 4) and ReZero (Bachlechner et al. 2020): no normalization, every branch times a
scalar that is learned from 0.

A pre-activation ResNet otherwise, of the same depths and parameter names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from skipray.architectures import Sizes
from skipray.architectures.building import outline as outlines
from skipray.architectures.building import stages
from skipray.architectures.building.check import mlp_blocks, require, stage_blocks, without_normalization
from skipray.architectures.building.outline import Outline
from skipray.architectures.building.sizes import sizes as sizes_of
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

DISPLAY_NAME = "SkipInit"


def fields(kind: str) -> frozenset[str]:
    common = {"stochastic_depth", "dropout"}  # each branch has a learned factor of its own
    return frozenset(common | ({"widths"} if kind == "mlp" else {"block", "shortcut", "layout"}))


def check(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> None:
    outline(model, input_shape, classes)


def outline(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Outline:
    require(model, fields(model.kind))
    without_normalization(model)
    if model.kind == "mlp":
        n = model.width
        plain = outlines.mlp(model, input_shape, classes, (n, n, n), mlp_blocks(model, 2), order="pre")
    else:
        assert model.block is not None
        plain = stages.cnn(model, input_shape, classes, stage_blocks(model, model.block), order="pre")
    return replace(plain, scale="learned")


def build(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    from skipray.architectures.building.network import Network

    return Network(outline(model, input_shape, classes))


def sizes(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Sizes:
    return sizes_of(outline(model, input_shape, classes), input_shape)
