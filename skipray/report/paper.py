"""A chart as SVG and PDF for a paper, drawn from the same description as the page's figures."""

import re
from pathlib import Path

from skipray.palette import COLOURS
from skipray.report import vega_lite
from skipray.report.chart import Chart

WIDTH, HEIGHT = 230, 150
"""Of a panel's frame, in points."""
COLUMNS = 3

CONFIG = {
    "background": "white",
    "font": "sans-serif",
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 8, "titleFontSize": 8.5, "titleFontWeight": "normal", "labelColor": "#33373d",
        "titleColor": "#33373d", "gridColor": "#e3e5e8", "gridWidth": 0.5, "domainWidth": 0.6, "tickWidth": 0.6,
        "tickSize": 3, "domainColor": "#6a6f77", "tickColor": "#6a6f77",
    },
    "title": {"fontSize": 9, "fontWeight": 600, "color": "#1d2024", "offset": 5},
    "legend": {"labelFontSize": 8.5, "labelColor": "#1d2024", "columnPadding": 14, "offset": 6},
}  # fmt: skip


_PLAIN = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
"""Lowered digits, which the fonts of many machines lack: the whole text would come from another font."""


def _light(name: str) -> str:
    return COLOURS[name][0]


FORMATS = ("svg", "pdf", "png")


def save(chart: Chart, folder: Path) -> tuple[Path, Path]:
    """Write NAME.svg and NAME.pdf into the folder; returns their paths."""
    drawn = _drawn(chart)
    paths = folder / f"{chart.name}.svg", folder / f"{chart.name}.pdf"
    for path in paths:
        path.write_bytes(_as_format(drawn, path.suffix[1:]))
    return paths


def save_as(chart: Chart, path: Path) -> None:
    """Write one file, in the format of FORMATS that its ending names."""
    path.write_bytes(_as_format(_drawn(chart), path.suffix[1:].lower()))


def _drawn(chart: Chart) -> str:
    """As SVG."""
    import vl_convert

    spec = vega_lite.for_paper(chart, _light, width=WIDTH, height=HEIGHT, columns=min(COLUMNS, len(chart.panels)))
    return _numbered_from_one(vl_convert.vegalite_to_svg(spec, config=CONFIG).translate(_PLAIN))


def _as_format(svg: str, format: str) -> bytes:
    import vl_convert

    if format == "pdf":
        return vl_convert.svg_to_pdf(svg)
    return svg.encode() if format == "svg" else vl_convert.svg_to_png(svg, scale=2)


_NUMBERED = re.compile(r"\b(clip|gradient_)(\d+)\b")


def _numbered_from_one(svg: str) -> str:
    """Vega numbers clips and gradients through a process: the same chart would have other bytes the second time."""
    numbers: dict[str, int] = {}
    return _NUMBERED.sub(lambda m: f"{m[1]}{numbers.setdefault(m[0], len(numbers) + 1)}", svg)
