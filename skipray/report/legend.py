"""A legend's samples on the page: the marker as a letter, the line as a border, in the page's colours."""

from markupsafe import Markup

from skipray.palette import Marker
from skipray.report.chart import Key

_LETTERS: dict[Marker, str] = {
    "circle": "●",
    "square": "■",
    "triangle": "▲",
    "diamond": "◆",
    "cross": "✚",
    "wedge": "▼",
    "right": "▶",
    "left": "◀",
}


def swatch(key: Key) -> Markup:
    """A legend's sample of a line or mark."""
    if key.kind == "tile":
        return Markup('<i class="swatch tile" style="--c:var(--{});--o:{:.2f}" aria-hidden="true"></i>').format(
            key.style.colour, key.opacity
        )
    letter = {"open": "◇", "ring": "◯"}.get(key.kind, _LETTERS[key.style.marker] if key.kind != "line" else "")
    line = f" {key.style.dash}" if key.kind in ("line", "both") else ""
    return Markup('<i class="swatch{}" style="--c:var(--{})" aria-hidden="true">{}</i>').format(
        line, key.style.colour, letter
    )
