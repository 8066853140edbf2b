"""A launch waits for a tracking store that restarts just as it ends: that costs a pause, and not the report."""

import time
from collections.abc import Callable
from typing import TypeVar

from skipray.execution.delivery import PATIENCE_SECONDS, RETRY_SECONDS
from skipray.tracking import TrackingAway

T = TypeVar("T")


def patiently(work: Callable[[], T], say: Callable[[str], None]) -> T:
    """Do some work with the tracking store, again after pauses of PATIENCE_SECONDS in all while it is away.

    Args:
        work: may be done again from its beginning.
        say: told once what is waited for.

    Raises:
        TrackingAway: it is still away after the last pause.
    """
    waited = 0.0
    while True:
        try:
            return work()
        except TrackingAway as error:
            if waited >= PATIENCE_SECONDS:
                raise
            if not waited:
                say(f"{error}; it is waited for, at most {PATIENCE_SECONDS:g} s (Ctrl-C)")
        time.sleep(RETRY_SECONDS)
        waited += RETRY_SECONDS
