"""Figures as the page has them: a description for each panel, which the drawing library in the page reads."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from skipray.report import vega_lite
from skipray.report.chart import Chart
from skipray.report.vega_layers import heading

ONE_ROW = 3
"""Panels beside each other on a wide screen."""
MAX_POINTS = 6000
"""Points a figure can be asked about; a figure with more stays still, so that the page stays light."""

CONFIG = {
    "aria": False,
    "background": None,
    "font": "system-ui, sans-serif",
    "padding": 2,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 11, "titleFontSize": 11.5, "titleFontWeight": "normal", "labelColor": "var(--soft)",
        "titleColor": "var(--soft)", "gridColor": "var(--grid)", "domainColor": "var(--soft)",
        "tickColor": "var(--soft)", "tickSize": 4,
    },
    "axisY": {"domain": False, "ticks": False},
}  # fmt: skip
"""Colours are the page's, light or dark. Screen readers have the panel's name, the figure's words and its tables rather
than a thousand marks."""


@dataclass(frozen=True)
class Drawn:
    """A panel's place on the page."""

    id: str
    title: str
    alt: str
    height: int
    """Pixels that are kept for it until it is drawn."""
    starts: bool
    """It begins a row, as panels of another quantity do."""
    spec: dict[str, Any]


def drawn_panels(chart: Chart) -> list[Drawn]:
    """The panels of a chart, in order."""
    points = sum(len(t.hover) for p in chart.panels for t in p.traces if t.hover is not None)
    points += sum(len(p.tiles.hover) for p in chart.panels if p.tiles is not None)
    labels = Counter(panel.y.label for panel in chart.panels)
    in_rows = len(chart.panels) > ONE_ROW and min(labels.values()) > 1
    out = []
    for place, panel in enumerate(chart.panels):
        spec = vega_lite.on_page(chart, panel, lambda name: f"var(--{name})")
        if points > MAX_POINTS:
            spec["usermeta"]["points"] = []
        starts = in_rows and place > 0 and panel.y.label != chart.panels[place - 1].y.label
        alt = f"{panel.title or chart.title}: {panel.y.label or 'rows'} by {panel.x.label}"
        out.append(Drawn(f"{chart.name}-{place}", heading(panel), alt, spec["height"] + 45, starts, spec))
    return out


def figures_json(drawn: dict[str, list[Drawn]]) -> dict[str, Any]:
    """What the page's script reads: the library's settings and a description by the panel's id."""
    return {"config": CONFIG, "panels": {panel.id: panel.spec for panels in drawn.values() for panel in panels}}
