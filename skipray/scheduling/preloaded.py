"""What Ray's workers on this machine import before they take work: all that a trial needs, seconds of it."""

import gc

gc.disable()  # imports make many objects and no garbage

from skipray import tracking  # noqa: E402
from skipray.scheduling import attempt, worker  # noqa: E402

__all__ = ["attempt", "worker"]

tracking.import_client()
gc.freeze()
gc.enable()
