"""Cells that break the tuning's protocol have a ring around them, in every figure."""

from collections.abc import Sequence

import numpy as np

from skipray.palette import Style
from skipray.report.chart import Key, Trace

_INK = Style("ink")
KEY = Key("breaks the tuning's protocol", _INK, "ring")


def ring(x: Sequence[float], y: Sequence[float], what: str) -> Trace:
    """Rings around points; `what` names the cell for a pointer."""
    hover = tuple(f"{what}: breaks the tuning's protocol" for _ in x)
    places = np.asarray(x, float), np.asarray(y, float)
    return Trace(KEY.text, _INK, *places, line=False, marks="all", look="ring", hover=hover)


def ring_at_end(trace: Trace, what: str) -> list[Trace]:
    """A ring around a line's last point; none where the line is empty."""
    return [ring([float(trace.x[-1])], [float(trace.y[-1])], what)] if len(trace.x) else []


def keys(traces: Sequence[Trace]) -> tuple[Key, ...]:
    """The legend's entry, where there is a ring to explain."""
    return (KEY,) if any(t.look == "ring" for t in traces) else ()
