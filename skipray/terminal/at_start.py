"""Signals that come while the command line is still being imported: one word and code 130, and no traceback."""

import os
import signal
from types import FrameType

from skipray.scheduling.work.stopping import SIGNALS

INTERRUPTED = 130


def end_at_signals() -> None:
    """From now on each of SIGNALS ends the process at once, but what `nohup` has asked to ignore.

    For a process that is a command, before it imports more: nothing has begun that would have to be ended in order.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
