"""A chart as SVG and PDF for a paper, drawn from the same description as the page's figures."""

from pathlib import Path
from typing import Any

from skipray.palette import COLOURS
from skipray.report import drawing, vega_lite
from skipray.report.beside import Beside
from skipray.report.chart import Chart

WIDTH, HEIGHT = 230, 150
"""Of a panel's frame, in points."""
COLUMNS = 3


def _light(name: str) -> str:
    return COLOURS[name][0]


FORMATS = ("svg", "pdf", "png")


def save(chart: Chart, folder: Path, beside: Beside) -> tuple[Path, Path]:
    """Have NAME.svg and NAME.pdf drawn into the folder; returns their paths."""
    paths = folder / f"{chart.name}.svg", folder / f"{chart.name}.pdf"
    beside.draw(_described(chart), paths)
    return paths


def save_as(chart: Chart, path: Path) -> None:
    """Write one file, in the format of FORMATS that its ending names."""
    drawing.draw(_described(chart), [path])


def _described(chart: Chart) -> dict[str, Any]:
    return vega_lite.for_paper(chart, _light, width=WIDTH, height=HEIGHT, columns=min(COLUMNS, len(chart.panels)))
