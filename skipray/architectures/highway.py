"""Highway network (Srivastava et al. 2015): `h_l = T(h_{l-1}) H(h_{l-1}) + (1 - T(h_{l-1})) h_{l-1}`.

A block is one weight layer H and its gate T, which lies beside the main path and does not count as depth. mlp: any
depth from 3. cnn: 3n + 2, n blocks in each of the stages of the `cifar` layout; where a stage changes the shape its
first block is H alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.architectures import Sizes
from skipray.architectures.building import outline as outlines
from skipray.architectures.building import stages
from skipray.architectures.building.check import require
from skipray.architectures.building.depth import LinearRule
from skipray.architectures.building.outline import Outline
from skipray.architectures.building.sizes import sizes as sizes_of
from skipray.initialisations import Refused
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

DISPLAY_NAME = "Highway"


def fields(kind: str) -> frozenset[str]:
    return frozenset(() if kind == "mlp" else {"layout"})


def check(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> None:
    outline(model, input_shape, classes)


def outline(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Outline:
    require(model, fields(model.kind))
    if model.kind == "mlp":
        count = LinearRule(1, 2).count(model.depth, "highway (mlp)")
        return outlines.mlp(model, input_shape, classes, (model.width,) * 2, count, order="highway", skip="gated")
    if model.layout != "cifar":
        raise Refused(f"found {model.layout}; allowed for highway: cifar", "layout")
    stage_count = LinearRule(3, 2).count(model.depth, "highway (cnn)")
    return stages.highway_cnn(model, input_shape, classes, stage_count)


def build(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    from skipray.architectures.building.network import Network

    return Network(outline(model, input_shape, classes))


def sizes(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Sizes:
    return sizes_of(outline(model, input_shape, classes), input_shape)
