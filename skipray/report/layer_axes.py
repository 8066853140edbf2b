"""Profiles by layer as traces, on an axis of layers or of relative depth where networks differ in depth."""

from typing import TYPE_CHECKING

import pandas as pd

from skipray.palette import Style
from skipray.report.axes import Axis, linear_axis
from skipray.report.chart import Trace
from skipray.report.numbers import number

if TYPE_CHECKING:
    from skipray.spec import Group


def placed(parts: "dict[Group, pd.DataFrame]") -> "dict[Group, pd.DataFrame]":
    """The rows of a panel's groups with a column `place` on the axis of layers: the layer's number or, where families
    divide one depth into other numbers of blocks, its share of the way through the network."""
    if not _relative(parts):
        return {g: rows.assign(place=rows["layer_index"].astype(float)) for g, rows in parts.items()}
    return {g: rows.assign(place=rows["layer_index"] / max(rows["layer_index"].max(), 1)) for g, rows in parts.items()}


def axis_of_layers(parts: "dict[Group, pd.DataFrame]") -> Axis:
    if _relative(parts):
        return linear_axis("place in the network (0: stem, 1: last layer)", [], low=0.0, high=1.0)
    return layer_axis(pd.concat(list(parts.values())))


def _relative(parts: "dict[Group, pd.DataFrame]") -> bool:
    return len({int(rows["layer_index"].max()) for rows in parts.values() if len(rows)}) > 1


def layer_axis(rows: pd.DataFrame) -> Axis:
    return linear_axis("layer (0 is the stem)", rows["layer_index"].astype(float), low=0.0, whole=True)


def profile_trace(title: str, style: Style, rows: pd.DataFrame) -> Trace:
    words = {0: "", 1: " or more", -1: " or less"}
    hover = tuple(
        f"layer {i}{f' ({layer})' if layer else ''}: {number(v)}{words[c]}"
        for i, layer, v, c in zip(rows["layer_index"], rows["layer"], rows["value"], rows["censored"], strict=True)
    )
    return Trace(
        title,
        style,
        rows.get("place", rows["layer_index"]).to_numpy(float),
        rows["value"].to_numpy(float),
        censored=rows["censored"].to_numpy(int),
        hover=hover,
    )
