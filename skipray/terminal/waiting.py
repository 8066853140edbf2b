"""What is being waited for, said at any time that takes longer than usual."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

FIRST_SECONDS, EVERY_SECONDS = 15.0, 30.0


@contextmanager
def waiting_for(what: str, say: Callable[[str], None], *, first: float = FIRST_SECONDS) -> Iterator[None]:
    """Within, it is said now and then that `what` is still being waited for."""
    began, over = time.monotonic(), threading.Event()

    def tell() -> None:
        pause = first
        while not over.wait(pause):
            pause = EVERY_SECONDS
            say(f"waiting for {what} for {time.monotonic() - began:.0f} s{busy_machine()}")

    thread = threading.Thread(target=tell, name="skipray-waiting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def busy_machine() -> str:
    """`; this machine is busy: a load of 8.1 on 2 cores`, or nothing where it is not."""
    with suppress(OSError):
        load, cores = os.getloadavg()[0], os.cpu_count() or 1
        if load > 2 * cores:
            return f"; this machine is busy: a load of {load:.1f} on {cores} cores"
    return ""
