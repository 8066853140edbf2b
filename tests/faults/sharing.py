"""Faults that share a sweep: they strike it one after the other, and each proves that it has.

What the sweep has lost, doubled or changed stands in each of their rows: nobody can tell whose it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from stage import Disturbed, Row, Stage

Play = Callable[[Stage, Sequence[str]], Disturbed]
"""Runs the sweep under the faults of these names, each within `Disturbed.part`."""


def shared(name: str, play: Play, faults: Sequence[str]) -> dict[str, Callable[[Stage], None]]:
    """The faults by their names; the first that is asked for plays all that are wanted.

    Args:
        name: of what they share.
    """

    def fault_of(fault: str) -> Callable[[Stage], None]:
        def strike(stage: Stage) -> None:
            if stage.suffix:  # once more, alone
                stage.rows.append(_rows(play, stage, [fault])[fault])
                return
            if name not in stage.shared:
                stage.shared[name] = _rows(play, stage, [f for f in faults if f in stage.wanted])
            stage.rows.append(stage.shared[name][fault])

        return strike

    return {fault: fault_of(fault) for fault in faults}


def name_of(name: str, stage: Stage, faults: Sequence[str]) -> str:
    """Of the sweep that faults share; of one that strikes once more, alone, its own."""
    return faults[0] if stage.suffix else name


def _rows(play: Play, stage: Stage, faults: Sequence[str]) -> dict[str, Row]:
    before = len(stage.rows)
    parts: dict[str, list[str]] = {}
    try:
        parts = play(stage, faults).parts
        missing = "it was not struck"
    except Exception as error:
        missing = f"{type(error).__name__}: {error}"
    whole = stage.rows.pop() if len(stage.rows) > before else Row(faults[0])
    rows = {
        fault: replace(whole, fault=f"{fault}{stage.suffix}", wrong=[*parts.get(fault, [missing]), *whole.wrong])
        for fault in faults
    }
    for fault in faults[1:]:  # counted once
        rows[fault].seconds, rows[fault].launches = 0.0, 0
    return rows
