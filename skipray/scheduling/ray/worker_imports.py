"""What Ray's workers on this machine import before they take work: all that a trial needs, seconds of it."""

import gc

gc.disable()  # imports make many objects and no garbage
try:
    from skipray import tracking
    from skipray.scheduling.ray import run_attempt, worker

    tracking.import_client()
finally:
    gc.freeze()
    gc.enable()

__all__ = ["run_attempt", "worker"]
