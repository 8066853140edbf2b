"""A Vega-Lite description as SVG, PDF or PNG; run as a script, a process that draws what it reads.

As a script it imports nothing of skipray, so that it starts in the time that the drawing itself needs: each line of its
standard input is a JSON list of a description and the paths to write, each line of its standard output `null` or the
error in words. It ends with its input.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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

_NUMBERED = re.compile(r"\b(clip|gradient_)(\d+)\b")


def draw(spec: dict[str, Any], paths: Sequence[Path]) -> None:
    """Write one chart in the format that each path's ending names: svg, pdf or png."""
    import vl_convert

    svg = _numbered_from_one(vl_convert.vegalite_to_svg(spec, config=CONFIG).translate(_PLAIN))
    made = {
        ".svg": lambda: svg.encode(),
        ".pdf": lambda: vl_convert.svg_to_pdf(svg),
        ".png": lambda: vl_convert.svg_to_png(svg, scale=2),
    }
    for path in paths:
        path.write_bytes(made[path.suffix.lower()]())


def _numbered_from_one(svg: str) -> str:
    """Vega numbers clips and gradients through a process: the same chart would have other bytes the second time."""
    numbers: dict[str, int] = {}
    return _NUMBERED.sub(lambda m: f"{m[1]}{numbers.setdefault(m[0], len(numbers) + 1)}", svg)


def main() -> None:
    for line in sys.stdin.buffer:
        spec, paths = json.loads(line)
        try:
            draw(spec, [Path(path) for path in paths])
            answer = None
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
