"""Where a launch stands, in a few numbers: for its display, and for whoever watches it from elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from skipray.records import State


@dataclass(frozen=True)
class Standing:
    """Of one sweep at one moment."""

    states: Mapping[State, int]
    """finished, running, failed, missing -> trials of the whole sweep."""
    again: Mapping[str, int] = field(default_factory=dict)
    """out_of_memory, lost, error -> attempts of this launch that failed, whether another one followed or not."""
    seconds_left: float | None = None
    """None before the first trial has ended."""
