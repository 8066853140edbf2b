"""One look at a server's runs, for what only reads: MLflow's interface gives a run with all that was logged or not at
all, so that a thousand of them take seconds each time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from skipray.tracking.read.row import RunRow

Looks = dict[tuple[str, str], tuple[RunRow, ...]]
"""(address, experiment's name) -> its trials' runs."""

_LOOKS: ContextVar[Looks | None] = ContextVar("looks", default=None)


@contextmanager
def one_look() -> Iterator[None]:
    """Within the block, the runs of an experiment are asked of a server once: all that is read is of one moment."""
    if _LOOKS.get() is not None:
        yield
        return
    before = _LOOKS.set({})
    try:
        yield
    finally:
        _LOOKS.reset(before)


def looks() -> Looks:
    """What the block has seen; outside of one, a place that nobody reads."""
    found = _LOOKS.get()
    return {} if found is None else found
