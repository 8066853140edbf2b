"""ResNeXt (Xie et al. 2017): a residual block whose middle layer is split into C groups.

A block reduces to the inner width q = cardinality x group_width, maps q to q in C independent groups, and expands
again. mlp: depth 3n + 2. cnn: 9n + 2, or ResNeXt's ImageNet table (50, 101); group_width is the first stage's and
doubles with each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.architectures import Sizes
from skipray.architectures.building import outline as outlines
from skipray.architectures.building import stages
from skipray.architectures.building.check import OF_BRANCHES, mlp_blocks, require, stage_blocks
from skipray.architectures.building.outline import Outline
from skipray.architectures.building.sizes import sizes as sizes_of
from skipray.initialisations import Refused
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

DISPLAY_NAME = "ResNeXt"
BRANCHES_END_IN_NORM = True
"""So that the initialisation zero_gamma has something to set."""


def fields(kind: str) -> frozenset[str]:
    common = {"residual_scale", "cardinality", "group_width", *OF_BRANCHES}
    return frozenset(common | ({"widths"} if kind == "mlp" else {"shortcut", "layout"}))


def check(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> None:
    outline(model, input_shape, classes)


def outline(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Outline:
    require(model, fields(model.kind))
    assert model.cardinality is not None
    assert model.group_width is not None
    outer = model.width if model.kind == "mlp" else 4 * model.width
    if outer % model.cardinality:
        # Nothing breaks without this rule, but no published network is outside it, and a slip is likelier than a wish.
        divisors = ", ".join(str(c) for c in range(1, outer + 1) if outer % c == 0)
        raise Refused(
            f"found the cardinality {model.cardinality}, which does not divide the block's width {outer}; "
            f"allowed: {divisors}",
            "cardinality",
        )
    if model.kind == "mlp":
        q = model.cardinality * model.group_width
        widths = (model.width, q, q, model.width)
        return outlines.mlp(model, input_shape, classes, widths, mlp_blocks(model, 3))
    return stages.cnn(model, input_shape, classes, stage_blocks(model, "bottleneck"))


def build(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    from skipray.architectures.building.network import Network

    return Network(outline(model, input_shape, classes))


def sizes(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Sizes:
    return sizes_of(outline(model, input_shape, classes), input_shape)
