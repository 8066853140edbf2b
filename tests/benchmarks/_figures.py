"""The figures of a benchmark for the page of speeds: a line of JSON among what it prints.

`docs/speed.py` reads these lines from the records in docs/benchmarks.
"""

import json
from collections.abc import Collection, Mapping

MARK = "figure: "
"""How such a line begins."""


def print_figure(
    what: str,
    ours: float,
    beside: Mapping[str, float] | None = None,
    *,
    unit: str = "s",
    at_least: Collection[str] = (),
    loads: Mapping[str, float] | None = None,
) -> None:
    """Print how long something took.

    Args:
        what: names the row of the page.
        ours: skipray's time.
        beside: name of another way to do the same -> its time, measured in the same run.
        unit: of all these times.
        at_least: names in `beside` that were stopped before their end.
        loads: of `skipray` and the names in `beside`, processes that ran on the machine in its last minute: sides that
            run minutes apart may find it differently busy.
    """
    others = {name: round(value, 4) for name, value in (beside or {}).items()}
    figure = {"what": what, "unit": unit, "skipray": round(ours, 4), "beside": others, "at_least": sorted(at_least)}
    figure["loads"] = {name: round(value, 1) for name, value in (loads or {}).items()}
    print(MARK + json.dumps(figure), flush=True)
