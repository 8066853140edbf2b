"""What Ray's workers on this machine import before they take work: all that a trial needs, seconds of it.

MLflow is not part of it: the launch writes the runs of its machine.
"""

import gc

gc.disable()  # imports make many objects and no garbage
try:
    from skipray.scheduling.ray import run_attempt, worker
finally:
    gc.freeze()
    gc.enable()

__all__ = ["run_attempt", "worker"]
