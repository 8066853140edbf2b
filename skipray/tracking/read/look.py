"""One look at a server's runs, for what only reads: MLflow's interface gives a run with all that was logged or not at
all, so that a thousand of them take seconds each time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from skipray.tracking.read.row import RunRow


@dataclass(frozen=True)
class Look:
    """What has been seen, and who is told while it is."""

    say: Callable[[str], None] = lambda text: None
    rows: dict[tuple[str, str], tuple[RunRow, ...]] = field(default_factory=dict)
    """(address, experiment's name) -> its trials' runs."""


_LOOK: ContextVar[Look | None] = ContextVar("look", default=None)


@contextmanager
def one_look(say: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """Within the block, the runs of an experiment are asked of a server once: all that is read is of one moment.

    Args:
        say: told about progress where whoever asks has no one to tell.
    """
    if _LOOK.get() is not None:
        yield
        return
    before = _LOOK.set(Look(say))
    try:
        yield
    finally:
        _LOOK.reset(before)


@contextmanager
def looking_anew() -> Iterator[None]:
    """Within the block, which changes runs, they are asked for each time; what was seen before it is forgotten."""
    look().rows.clear()
    before = _LOOK.set(None)
    try:
        yield
    finally:
        _LOOK.reset(before)


def look() -> Look:
    """The block's; outside of one, an empty one that nobody keeps."""
    return _LOOK.get() or Look()
