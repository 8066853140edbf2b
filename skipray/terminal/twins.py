"""How alike twins are, as the terminal shows it."""

from typing import Any

import pandas as pd

from skipray.spec.cell import value_text
from skipray.terminal.blocks import Column, Grid, show
from skipray.terminal.display import console
from skipray.terminal.visible import escape

PLACES = {"first": 0.0, "middle": 0.5, "last": 1.0}
"""Layers that a row names: the JSON has all."""
_KNOWN = ("plain", "twin", "depth", "seed", "layer_index", "plain_layer", "twin_layer", "cka")


def show_twins(table: pd.DataFrame) -> None:
    """A row per pair of families and depth: the mean over the seeds at the first, the middle and the last layer."""
    factors = [name for name in table.columns if name not in _KNOWN]
    rows = []
    for found, part in table.groupby(["plain", "twin", *factors, "depth"], sort=False, dropna=False):
        key: tuple[Any, ...] = found if isinstance(found, tuple) else (found,)
        last = int(part["layer_index"].max())
        by_layer = part.groupby("layer_index")["cka"].mean()
        means = [by_layer.loc[round(share * last)] for share in PLACES.values()]
        others = (f"{name}={value_text(value)}" for name, value in zip(factors, key[2:-1], strict=True))
        words = " ".join([f"{key[0]} and {key[1]}", *others])
        rows.append((escape(words), str(key[-1]), *(f"{v:.3f}" if v == v else "-" for v in means)))
    columns = (
        Column("linear CKA of"),
        Column("depth", right=True),
        *(Column(f"{p} layer", right=True) for p in PLACES),
    )
    show([Grid(columns, tuple(rows))], console())
